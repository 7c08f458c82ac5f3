"""The expected calibration error against a computation of its definition, on predictions, saved ones and in runs."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_runs import write_scored_run

from xrobust import compare
from xrobust.contracts import Metric, Prediction
from xrobust.errors import PluginError, UserError
from xrobust.kinds import SequenceClassification
from xrobust.metrics import ExpectedCalibrationError, evaluate_metric, metric, score
from xrobust.metrics.by_name import _METRICS
from xrobust.registry.plugin_class import ERRORS, declaration_problem
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import load_predictions, read_predictions, save_predictions
from xrobust_tasks.xnli import Xnli

LABELS = ("no", "yes")
NEAR_BORDERS = [float(np.nextafter(np.float32(k / 15), np.float32(to))) for k in range(1, 15) for to in (0, 1)]
CONFIDENCES = st.one_of(
    st.floats(0, 1, width=32),
    st.sampled_from([0.0, 1.0, *(float(np.float32(k / 15)) for k in range(1, 15)), *NEAR_BORDERS]),
)


def predicted(confidence: float, label: str = "yes") -> Prediction:
    """A prediction of one of two labels; the other one has less than half, or as much."""
    other = min(confidence, 1 - confidence)
    return Prediction(label, [other, confidence] if label == "yes" else [confidence, other])


def by_definition(confidences: list[float], right: list[bool]) -> float:
    """Equation 3 of Guo et al. (2017) with exact fractions, and bins ((m - 1) / 15, m / 15] in single precision."""
    edges = [-1.0, *(float(np.float32(m / 15)) for m in range(1, 15)), 1.0]
    total = Fraction(0)
    for low, high in pairwise(edges):
        inside = [i for i, c in enumerate(confidences) if low < c <= high]
        if inside:
            accuracy = Fraction(sum(right[i] for i in inside), len(inside))
            confidence = sum(Fraction(confidences[i]) for i in inside) / len(inside)
            total += Fraction(len(inside), len(confidences)) * abs(accuracy - confidence)
    return float(total)


def ece(gold: list[Any], predictions: list[Prediction]) -> float:
    return ExpectedCalibrationError()(gold, predictions)["ece"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=30))
def test_it_is_what_the_definition_says(tokens: list[tuple[float, bool]]) -> None:
    confidences, right = [c for c, _ in tokens], [r for _, r in tokens]
    gold = ["X" if r else "Y" for r in right]
    expected = by_definition(confidences, right)
    assert ece([gold], [Prediction(["X"] * len(gold), confidences)]) == pytest.approx(expected, abs=1e-12)
    one_by_one = [Prediction(["X"], [c]) for c in confidences]
    assert ece([[g] for g in gold], one_by_one) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("confidences", "right", "expected"),
    [
        ([1.0], [True], 0.0),
        ([1.0], [False], 1.0),
        ([0.0], [True], 1.0),
        ([0.0], [False], 0.0),
        ([0.6, 0.6], [True, False], 0.1),
        ([0.6, 0.601], [True, False], 0.5005),  # a border belongs to the bin below it
        ([0.61, 0.66], [True, False], 0.135),
        ([1.0000001], [True], 0.0),
    ],
)
def test_by_hand(confidences: list[float], right: list[bool], expected: float) -> None:
    predictions = [Prediction("yes", [0.0, c]) for c in confidences]
    assert ece(["yes" if r else "no" for r in right], predictions) == pytest.approx(expected, abs=1e-6)


def test_it_is_the_same_of_saved_predictions_and_after_half_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kind = SequenceClassification(LABELS)
    doubles = rng.uniform(0.5, 1, 300)
    halves = np.concatenate([doubles[:100].astype(np.float16), np.float16([0.6, 0.8, 14 / 15])]).astype(float)
    for given_confidences in (doubles, halves):
        predictions = [predicted(float(c)) for c in given_confidences]
        examples = [{"id": str(i), "label": LABELS[i % 3 > 0]} for i in range(len(predictions))]
        gold = [example["label"] for example in examples]
        artifact = save_predictions(tmp_path, ScoreKey(language="de"), kind, examples, predictions)
        rows = read_predictions(tmp_path, artifact, None)
        saved = [Prediction(row["prediction"], row["scores"]) for row in rows]
        assert ece(gold, saved) == ece(gold, predictions)


def test_its_interval_holds_it() -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 40):
        predictions = [predicted(float(c)) for c in rng.uniform(0.5, 1, n)]
        (found,) = score("ece", ["yes"] * n, predictions)
        assert 0 <= found.ci_low <= found.value <= found.ci_high <= 1 and found.n == n
    (sure,) = score("ece", ["yes"] * 500, [predicted(0.6)] * 500)
    assert sure.value == pytest.approx(0.4) and sure.ci_low > 0.35 and sure.ci_high < 0.45


@pytest.mark.parametrize(
    ("gold", "given_prediction", "said"),
    [
        ("yes", "yes", "no probabilities: an object of Prediction is expected"),
        ("yes", Prediction("yes", []), "0 probabilities with 1 predicted labels"),
        (["X", "X"], Prediction(["X", "X"], [0.5]), "1 probabilities with 2 predicted labels"),
        ("yes", Prediction("yes", [-3.0, 2.5]), "2.5 is no probability"),
    ],
)
def test_what_has_no_probabilities_is_refused(gold: Any, given_prediction: Any, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        score("ece", [gold], [given_prediction])
    with pytest.raises(UserError, match="metric ece is of probabilities"):
        evaluate_metric("ece")


def test_no_error_selects_weights() -> None:
    assert set(ERRORS) == {name for name in _METRICS if metric(name).lower_is_better}

    class Wrong(Xnli):
        metrics = ("ece", "accuracy")

    class Loss(ExpectedCalibrationError):
        name = "loss"

    class AlsoWrong(Xnli):
        metrics: tuple[str | Metric, ...] = (Loss(), "accuracy")

    assert declaration_problem(Xnli) is None
    for task, name in ((Wrong, "ece"), (AlsoWrong, "loss")):
        assert declaration_problem(task) == (
            f"its first metric, {name}, is an error: weights are selected by one that is to be high"
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of two methods with the same labels, 80% right; vanilla is overconfident, and more so under typos."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(2)
    ids = [str(i) for i in range(300)]
    gold = [LABELS[i] for i in rng.integers(0, 2, 300)]
    for seed in range(3):
        right = rng.random(300) < 0.8
        labels = [g if r else LABELS[g == "no"] for g, r in zip(gold, right, strict=True)]
        for method, clean, typos in (("vanilla", 0.96, 0.99), ("rs_aug", 0.82, 0.82)):
            shift = rng.normal(0, 0.002)
            tests = [(ids, gold, [predicted(c + shift, label) for label in labels]) for c in (clean, typos)]
            write_scored_run(
                folder,
                {"en": tests[0], "de": tests[0]},
                {"typos": {"en": tests[1], "de": tests[1]}},
                metric_name="ece",
                method=method,
                seed=seed,
                task="xnli",
            )
    return folder


def test_less_is_better_in_a_comparison(runs: Path) -> None:
    found = compare("method=vanilla", "method=rs_aug", runs=runs, metric="ece")
    (part,) = found.compared
    assert found.lower_is_better and "ece is an error: a lower one is better" in found.notes
    clean, drop = part.find(), part.find("typos", "average", "drop")
    assert clean.difference < -0.1 and clean.verdict == "better"
    assert drop.difference > 0.02 and drop.verdict == "better", "its error rises less"
    assert {row.verdict for row in part.estimates if row.over == "language"} == {"better"}
    assert [(count.better, count.worse) for count in part.counts] == [(2, 0), (2, 0)]
    assert any("On clean text, rs_aug is better than vanilla by" in one for one in part.sentences)
    assert any("the rise of rs_aug is smaller than that of vanilla by" in one for one in part.sentences)
    turned = compare("method=rs_aug", "method=vanilla", runs=runs, metric="ece").compared[0]
    assert turned.find().verdict == turned.find("typos", "average", "drop").verdict == "worse"


def test_saved_probabilities_are_read(runs: Path) -> None:
    (run, *_) = (runs / "xnli" / "vanilla").iterdir()
    saved = load_predictions(run, "de", "typos")
    its = [Prediction(row["prediction"], row["scores"]) for row in saved]
    document = json.loads((run / "result.json").read_text())
    (row,) = [r for r in document["scores"] if r["language"] == "de" and r["condition"] == "perturbed"]
    assert ece([r["label"] for r in saved], its) == row["value"]
