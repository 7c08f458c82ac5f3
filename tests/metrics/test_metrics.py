"""Metrics against seqeval, scikit-learn and scipy, which compute them independently."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score
from sklearn.metrics import f1_score as sklearn_f1

from xrobust.errors import PluginError, UserError
from xrobust.metrics.by_name import metric
from xrobust.metrics.scores import score
from xrobust_tasks.wikititle import CompatF1

NER_TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def sentences(tags: list[str]) -> st.SearchStrategy[list[tuple[list[str], list[str]]]]:
    """Sentences of (gold tags, predicted tags) of equal length."""
    pair = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), min_size=1, max_size=8)
    return st.lists(pair.map(lambda p: ([a for a, _ in p], [b for _, b in p])), min_size=1, max_size=6)


@given(sentences(NER_TAGS))
@settings(deadline=None, max_examples=150)
def test_span_f1_is_seqevals_default(data: list[tuple[list[str], list[str]]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [f(gold, guess, zero_division=0) for f in (f1_score, precision_score, recall_score)]
    assert list(metric("span_f1")(gold, guess).values()) == pytest.approx(theirs)


@given(sentences(NER_TAGS))
@settings(deadline=None, max_examples=150)
def test_span_f1_strict_is_seqevals_strict_iob2(data: list[tuple[list[str], list[str]]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = f1_score(gold, guess, mode="strict", scheme=IOB2, zero_division=0)
    assert metric("span_f1_strict")(gold, guess) == {"span_f1_strict": pytest.approx(theirs)}


def test_a_stray_predicted_tag_costs_precision_and_in_strict_mode_nothing() -> None:
    gold, guess = [["B-PER", "O", "O"]], [["B-PER", "O", "I-LOC"]]
    assert metric("span_f1")(gold, guess) == {
        "span_f1": pytest.approx(2 / 3),
        "span_precision": 0.5,
        "span_recall": 1.0,
    }
    assert metric("span_f1_strict")(gold, guess) == {"span_f1_strict": 1.0}


@given(sentences(["NOUN", "CCONJ", "SCONJ", "X"]))
@settings(deadline=None, max_examples=100)
def test_xtreme_f1_is_seqevals_default_on_bare_tags(data: list[tuple[list[str], list[str]]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = f1_score(gold, guess)
    assert metric("xtreme_f1")(gold, guess) == {"xtreme_f1": pytest.approx(theirs)}


def test_xtreme_f1_cannot_tell_two_conjunctions_apart_and_accuracy_can() -> None:
    gold, guess = [["CCONJ"]], [["SCONJ"]]
    assert metric("xtreme_f1")(gold, guess) == {"xtreme_f1": 1.0}
    assert metric("accuracy")(gold, guess) == {"accuracy": 0.0}


@given(sentences(["A", "B", "C"]))
@settings(deadline=None)
def test_accuracy_of_tags_is_over_tokens(data: list[tuple[list[str], list[str]]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    theirs = accuracy_score([t for s in gold for t in s], [t for s in guess for t in s])
    assert metric("accuracy")(gold, guess)["accuracy"] == pytest.approx(theirs)


ANSWERS = st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("ABCD")), min_size=1, max_size=12)


@given(ANSWERS)
@settings(deadline=None)
def test_macro_f1_is_scikit_learns(data: list[tuple[str, str]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    assert metric("macro_f1")(gold, guess) == {"macro_f1": pytest.approx(sklearn_f1(gold, guess, average="macro"))}
    one = {"macro_f1": pytest.approx(sklearn_f1(gold, guess, average="macro"))}
    assert metric("macro_f1")([gold], [guess]) == one, "as tags of one sentence"


@given(ANSWERS)
@settings(deadline=None)
def test_compat_f1_is_what_seqeval_makes_of_single_labels(data: list[tuple[str, str]]) -> None:
    gold, guess = [g for g, _ in data], [p for _, p in data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = f1_score([[g] for g in gold], [[p] for p in guess])
    assert CompatF1()(gold, guess) == {"compat_f1": pytest.approx(theirs)}
    assert theirs == pytest.approx(sklearn_f1(gold, guess, labels=["B"], average="macro", zero_division=0))


def test_a_label_that_only_one_example_has_does_not_count_without_it() -> None:
    answers = ["A", "A", "A", "B"]
    (found,), (accuracy,) = score("macro_f1", answers, answers), score("accuracy", answers, answers)
    assert found.value == 1.0
    assert (found.ci_low, found.ci_high) == pytest.approx((accuracy.ci_low, accuracy.ci_high))


def test_interval_of_many_examples_agrees_with_scipys_bootstrap() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(1)
    right = rng.random(400) < 0.7
    ours = score("accuracy", ["a"] * 400, ["a" if r else "b" for r in right])[0]
    theirs = bootstrap(
        (right.astype(float),), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.value == pytest.approx(right.mean())
    # A Monte Carlo estimate: the standard error of an end is about a tenth of its half width.
    assert ours.ci_low == pytest.approx(theirs.low, abs=0.008)
    assert ours.ci_high == pytest.approx(theirs.high, abs=0.008)
    assert ours.n == 400


def test_interval_is_the_same_each_time() -> None:
    gold, guess = ["a", "b"] * 20, ["a", "a"] * 20
    assert score("accuracy", gold, guess) == score("accuracy", gold, guess)


def test_no_span_anywhere_scores_zero_not_nan() -> None:
    assert [s.value for s in score("span_f1", [["O", "O"]], [["O", "O"]])] == [0.0, 0.0, 0.0]


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"^2 references and 1 predictions$"):
        score("accuracy", ["a", "b"], ["a"])
    with pytest.raises(PluginError, match=r"'accuracy': its statistics failed at row 0: ValueError"):
        score("accuracy", [["a", "b"]], [["a"]])


def test_unknown_metric() -> None:
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        metric("acuracy")
