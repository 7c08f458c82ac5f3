"""The influence of an example against derivatives and jackknives of scikit-learn's, seqeval's and scipy's scores."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn.metrics import accuracy_score
from sklearn.metrics import f1_score as sklearn_f1

from xrobust.contracts.metric import Metric, WholeSetMetric, labels_in
from xrobust.metrics.bootstrap import bootstrap
from xrobust.metrics.by_name import metric
from xrobust.metrics.influence import influence

NER_TAGS = ["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
EPSILON = 1e-5


def labels(n: int, seed: int, choices: str = "ABC") -> tuple[list[str], list[str]]:
    """Gold labels, and guesses of which two in three are right."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(list(choices), n)
    return list(gold), list(np.where(rng.random(n) < 0.67, gold, rng.choice(list(choices), n)))


def sentences(n: int, seed: int, tags: Sequence[str] = NER_TAGS) -> tuple[list[list[str]], list[list[str]]]:
    """Gold tags of sentences of 1 to 9 tokens, and guesses of which most are right."""
    rng = np.random.default_rng(seed)
    gold = [list(rng.choice(tags, rng.integers(1, 10))) for _ in range(n)]
    return gold, [list(np.where(rng.random(len(s)) < 0.75, s, rng.choice(tags, len(s)))) for s in gold]


def statistics(name: str, gold: Sequence[Any], guess: Sequence[Any]) -> tuple[Metric, np.ndarray]:
    """A metric and its statistics of each example."""
    scorer = metric(name)
    return scorer, scorer.statistics(gold, guess, labels_in(gold, guess))


def weighted(n: int, example: int, more: float) -> np.ndarray:
    """One as the weight of each example, but of this one more."""
    weights = np.ones(n)
    weights[example] += more
    return weights


def flat(lists: Sequence[Sequence[str]]) -> list[str]:
    """All of them in one list."""
    return [item for one in lists for item in one]


def test_influence_on_accuracy_is_the_jackknife_of_scikit_learns() -> None:
    gold, guess = labels(40, seed=0)
    whole = accuracy_score(gold, guess)
    without = [accuracy_score(gold[:i] + gold[i + 1 :], guess[:i] + guess[i + 1 :]) for i in range(40)]
    assert influence(*statistics("accuracy", gold, guess)) == pytest.approx(39 * (whole - np.array(without)))


def test_influence_on_token_accuracy_is_the_derivative_by_the_sentences_weight() -> None:
    gold, guess = sentences(25, seed=1)
    lengths = [len(s) for s in gold]

    def moved(example: int, more: float) -> float:
        return accuracy_score(flat(gold), flat(guess), sample_weight=np.repeat(weighted(25, example, more), lengths))

    slopes = [25 * (moved(i, EPSILON) - moved(i, -EPSILON)) / (2 * EPSILON) for i in range(25)]
    found = influence(*statistics("accuracy", gold, guess))
    assert found == pytest.approx(slopes, abs=1e-6)
    right = np.array([sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(gold, guess, strict=True)])
    mean = sum(right) / sum(lengths)
    assert found == pytest.approx((right - mean * np.array(lengths)) / np.mean(lengths)), "the formula of the docs"


@pytest.mark.parametrize(("output", "theirs"), enumerate([f1_score, precision_score, recall_score]))
def test_influence_on_span_scores_is_what_one_more_copy_does_to_seqevals(output: int, theirs: Any) -> None:
    gold, guess = sentences(6, seed=2)
    copies = 100

    def score(more: list[int]) -> float:
        picked = [*(list(range(6)) * copies), *more]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return theirs([gold[i] for i in picked], [guess[i] for i in picked])

    whole = score([])
    changes = [6 * copies * (score([i]) - whole) for i in range(6)]
    scorer, rows = statistics("span_f1", gold, guess)
    assert influence(scorer, rows, output) == pytest.approx(changes, rel=0.02, abs=1e-3)


def test_influence_on_span_f1_is_the_formula_of_the_docs() -> None:
    scorer, rows = statistics("span_f1", *sentences(30, seed=3))
    hits, predicted, actual = rows.T
    false_positives, misses = predicted - hits, actual - hits
    f1 = 2 * hits.sum() / (2 * hits + false_positives + misses).sum()
    size = 2 * hits + false_positives + misses
    assert influence(scorer, rows) == pytest.approx((2 * hits - f1 * size) / size.mean())


def test_influence_on_macro_f1_is_the_derivative_of_scikit_learns() -> None:
    gold, guess = labels(60, seed=4, choices="ABCD")

    def moved(example: int, more: float) -> float:
        return sklearn_f1(gold, guess, average="macro", sample_weight=weighted(60, example, more))

    slopes = [60 * (moved(i, EPSILON) - moved(i, -EPSILON)) / (2 * EPSILON) for i in range(60)]
    assert influence(*statistics("macro_f1", gold, guess)) == pytest.approx(slopes, abs=1e-6)


def test_influence_on_macro_f1_is_close_to_the_jackknife() -> None:
    gold, guess = labels(150, seed=5)
    whole = sklearn_f1(gold, guess, average="macro")
    without = [sklearn_f1(gold[:i] + gold[i + 1 :], guess[:i] + guess[i + 1 :], average="macro") for i in range(150)]
    jackknife = 149 * (whole - np.array(without))
    assert influence(*statistics("macro_f1", gold, guess)) == pytest.approx(jackknife - jackknife.mean(), abs=0.02)


CASES = {
    "accuracy of labels": ("accuracy", labels(300, seed=6)),
    "accuracy of tokens": ("accuracy", sentences(300, seed=7)),
    "macro F1 of labels": ("macro_f1", labels(300, seed=8)),
    "macro F1 of tokens": ("macro_f1", sentences(300, seed=9, tags=["NOUN", "NOUN", "NOUN", "VERB", "ADJ"])),
    "span F1": ("span_f1", sentences(300, seed=10)),
    "XTREME's F1": ("xtreme_f1", sentences(300, seed=11, tags=["NOUN", "VERB", "ADJ"])),
}


@pytest.mark.parametrize("case", CASES)
def test_variance_over_n_is_that_of_the_bootstrap(case: str) -> None:
    name, data = CASES[case]
    scorer, rows = statistics(name, *data)
    drawn = scorer.score(bootstrap(rows))
    for output in range(len(scorer.outputs)):
        variance = influence(scorer, rows, output).var(ddof=1) / len(rows)
        assert variance == pytest.approx(drawn[:, output].var(), rel=0.15), scorer.outputs[output]


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from(["accuracy", "macro_f1", "span_f1"]))
def test_influence_is_finite_and_of_mean_zero(seed: int, n: int, name: str) -> None:
    data = sentences(n, seed) if name == "span_f1" else labels(n, seed)
    scorer, rows = statistics(name, *data)
    for output in range(len(scorer.outputs)):
        found = influence(scorer, rows, output)
        assert np.isfinite(found).all()
        assert found.mean() == pytest.approx(0, abs=1e-8)


def test_influence_is_zero_where_there_is_nothing_to_be_found() -> None:
    scorer, rows = statistics("span_f1", [["O", "O"], ["O"]], [["O", "O"], ["O"]])
    for output in range(3):
        assert influence(scorer, rows, output).tolist() == [0, 0]


class WholeAccuracy(WholeSetMetric):
    """Accuracy, of the whole set."""

    name = "whole_accuracy"
    definition = "correct labels / labels"
    outputs = ("whole_accuracy",)

    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> Sequence[float]:
        return [accuracy_score(references, predictions)]


class Correlation(WholeSetMetric):
    """Pearson's r."""

    name = "pearson"
    definition = "Pearson's r"
    outputs = ("zero", "pearson")

    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> Sequence[float]:
        return [0.0, scipy.stats.pearsonr(references, predictions).statistic]


def test_influence_on_a_score_of_the_whole_set_is_the_jackknife() -> None:
    gold, guess = labels(30, seed=12)
    whole = WholeAccuracy()
    found = influence(whole, whole.statistics(gold, guess, []))
    assert found == pytest.approx(influence(*statistics("accuracy", gold, guess)))


def test_influence_on_a_correlation_is_close_to_its_influence_function() -> None:
    rng = np.random.default_rng(13)
    x = rng.normal(size=200)
    y = 0.5 * x + rng.normal(size=200)
    scorer = Correlation()
    found = influence(scorer, scorer.statistics(list(x), list(y), []), output=1)
    zx, zy = scipy.stats.zscore(x), scipy.stats.zscore(y)
    r = float(np.mean(zx * zy))
    assert found == pytest.approx(zx * zy - r * (zx**2 + zy**2) / 2, abs=0.12)  # Devlin, Gnanadesikan, Kettenring 1975
    assert found.mean() == pytest.approx(0, abs=1e-12)
