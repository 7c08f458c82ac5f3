"""Intervals against independent computations, and their coverage: exact for accuracy, simulated for ratios of sums.

A simulated rate may be two of its standard errors below 93%; the whole simulation, docs/intervals.md, has smaller ones.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import scipy.stats
from benchmarks.level_coverage import (
    CHANGES,
    GRID,
    covered_exactly,
    drop_of_counts,
    exact_accuracy,
    exact_drops,
    exact_wilson,
    measure,
)
from benchmarks.level_samples import Design
from seqeval.metrics import f1_score, precision_score, recall_score

from xrobust.contracts.metric import Metric
from xrobust.errors import PluginError
from xrobust.metrics import Accuracy, SpanF1, drop_intervals, metric, score, score_rows

LEAST = 0.93
REPLICATIONS = {10: 1000, 30: 1000, 100: 1000, 1000: 400}


def labels(right: int, n: int) -> tuple[list[str], list[str]]:
    """Gold labels, and guesses of which the first ones are right."""
    return ["a"] * n, ["a"] * right + ["b"] * (n - right)


@pytest.mark.parametrize("n", [2, 3, 10, 31])
def test_the_interval_of_an_accuracy_is_agresti_and_coulls_with_students_quantile_and_holds_wilsons(n: int) -> None:
    t = scipy.stats.t.ppf(0.975, n - 1)
    for right in range(n + 1):
        (found,) = score("accuracy", *labels(right, n))
        middle = (right + t * t / 2) / (n + t * t)
        half = t * math.sqrt(middle * (1 - middle) / (n + t * t))
        assert (found.ci_low, found.ci_high) == pytest.approx((max(middle - half, 0), min(middle + half, 1)))
        wilson = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
        assert found.ci_low <= max(wilson.low, 0)
        assert min(wilson.high, 1) <= found.ci_high
        assert found.interval == "agresti_coull"


@pytest.mark.parametrize("n", [*range(10, 41), 100, 300, 1000])
def test_intervals_of_accuracy_hold_any_true_accuracy_93_times_in_100(n: int) -> None:
    assert exact_accuracy(n).min() >= LEAST


def test_wilsons_interval_does_not() -> None:
    ends = [scipy.stats.binomtest(right, 10).proportion_ci(method="wilson") for right in range(11)]
    covered = covered_exactly(10, np.array(ends))
    assert covered == pytest.approx(exact_wilson(10))
    assert covered.min() < 0.84


@pytest.mark.parametrize("n", [10, 30])
def test_intervals_of_drops_in_accuracy_hold_any_true_drop_93_times_in_100(n: int) -> None:
    assert min(covered for _, _, covered in exact_drops(n)) >= LEAST


@pytest.mark.parametrize("n", [100, 300, 1000])
def test_so_they_do_where_no_example_becomes_right(n: int) -> None:
    ends = np.array([drop_of_counts(n, wrong, 0) for wrong in range(n + 1)])
    assert covered_exactly(n, ends)[CHANGES[1] <= GRID].min() >= LEAST


LEVELS = {
    "span F1, low": Design("span F1", 0.1, 0.6),
    "span F1, middle": Design("span F1, few entities", 0.5, 0.6),
    "span F1, high": Design("span F1", 0.95, 0.6),
    "token accuracy, middle": Design("token accuracy", 0.5, 0.6),
    "token accuracy, high": Design("token accuracy", 0.97, 0.2),
}
DROPS = {
    "drop of span F1, none": Design("span F1", 0.5, 0.6, 0.5, 0.0),
    "drop of span F1, small": Design("span F1, few entities", 0.9, 0.2, 0.85, 0.95),
    "drop of span F1, large": Design("span F1", 0.8, 0.6, 0.4, 0.5),
    "drop of token accuracy, large": Design("token accuracy", 0.97, 0.6, 0.7, 0.95),
}


@pytest.mark.parametrize("n", REPLICATIONS)
@pytest.mark.parametrize("name", [*LEVELS, *DROPS])
def test_intervals_of_ratios_hold_the_truth_93_times_in_100(name: str, n: int) -> None:
    error = math.sqrt(LEAST * (1 - LEAST) / REPLICATIONS[n])
    design = (LEVELS | DROPS)[name]
    assert measure(design, n, REPLICATIONS[n], seed=1, bootstrap=False).covered >= LEAST - 2 * error


def test_the_percentile_bootstrap_holds_it_much_less_often() -> None:
    rates = measure(LEVELS["span F1, high"], 10, 200, seed=1)
    assert rates.bootstrap_covered < 0.7 < LEAST < rates.covered


def test_of_one_example_nothing_can_be_said() -> None:
    for right in (0, 1):
        (found,) = score("accuracy", *labels(right, 1))
        assert (found.ci_low, found.ci_high) == (0, 1)
    one = np.ones((1, 2))
    assert drop_intervals(Accuracy(), one, one) == [(-1, 1)]


def test_nothing_can_be_said_where_nothing_is_to_be_found() -> None:
    nothing = np.zeros((50, 3))
    assert [(s.value, s.ci_low, s.ci_high) for s in score_rows(SpanF1(), nothing)] == [(0, 0, 1)] * 3
    assert drop_intervals(SpanF1(), nothing, nothing) == [(-1, 1)] * 3


def test_few_examples_give_wide_intervals() -> None:
    (found,) = score("accuracy", *labels(3, 3))
    assert found.ci_low < 0.3
    alike = np.ones((3, 2))
    ((low, high),) = drop_intervals(Accuracy(), alike, alike)
    assert -1 <= low < -0.9
    assert 0.9 < high <= 1


def test_an_example_that_adds_to_no_count_changes_no_interval() -> None:
    rows = np.array([[1.0, 2, 1], [0, 1, 3], [2, 2, 2], [1, 1, 1]])
    padded = np.concatenate([rows, np.zeros((5, 3))])
    before, after = score_rows(SpanF1(), rows), score_rows(SpanF1(), padded)
    assert [(s.ci_low, s.ci_high) for s in after] == [pytest.approx((s.ci_low, s.ci_high)) for s in before]
    worse = np.maximum(rows - [1, 0, 0], 0)
    alone = drop_intervals(SpanF1(), rows, worse)
    together = drop_intervals(SpanF1(), padded, np.concatenate([worse, np.zeros((5, 3))]))
    assert together == [pytest.approx(interval) for interval in alone]


GOLD = [["B-PER", "I-PER", "O"], ["B-LOC", "O"], ["O", "B-ORG", "B-PER"], ["B-LOC", "B-LOC"], ["B-ORG", "O"]]
GUESS = [["B-PER", "I-PER", "O"], ["B-PER", "B-LOC"], ["O", "B-ORG", "O"], ["B-LOC", "B-LOC"], ["O", "O"]]
WORSE = [["B-PER", "O", "O"], ["B-PER", "O"], ["O", "B-ORG", "O"], ["B-LOC", "B-LOC"], ["O", "B-ORG"]]
SIZES = np.array([[2, 3, 3, 4, 1], [2, 2, 3, 4, 2]])
"""Gold and guessed entities of each sentence: with the guesses, then with the worse ones."""


def pseudo_values(theirs: object, guess: list[list[str]]) -> tuple[float, np.ndarray]:
    """A score of seqeval's, and its jackknife pseudo-values."""
    everyone = range(len(GOLD))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = theirs(GOLD, guess)  # type: ignore[operator]
        without = [
            theirs([GOLD[j] for j in everyone if j != i], [guess[j] for j in everyone if j != i])  # type: ignore[operator]
            for i in everyone
        ]
    return whole, whole + (len(GOLD) - 1) * (whole - np.array(without))


@pytest.mark.parametrize(("output", "theirs"), enumerate([f1_score, precision_score, recall_score]))
def test_intervals_of_span_scores_are_those_of_seqevals_pseudo_values(output: int, theirs: object) -> None:
    whole, values = pseudo_values(theirs, GUESS)
    n, t = len(GOLD), scipy.stats.t.ppf(0.975, SIZES[0].sum() ** 2 / (SIZES[0] ** 2).sum() - 1)
    middle = (n * whole + 1) / (n + 2)
    more = [1 - middle, -middle]  # one example all right, and one all wrong
    variance = (sum((values - whole) ** 2) + n * (whole - middle) ** 2 + sum(d * d for d in more)) / (n + 2)
    effective = n * middle * (1 - middle) / variance
    centre = (effective * whole + t * t / 2) / (effective + t * t)
    half = t * math.sqrt(centre * (1 - centre) / (effective + t * t))
    found = score("span_f1", GOLD, GUESS)[output]
    assert found.value == pytest.approx(whole)
    assert (found.ci_low, found.ci_high) == pytest.approx((max(centre - half, 0), min(centre + half, 1)))


@pytest.mark.parametrize(("output", "theirs"), enumerate([f1_score, precision_score, recall_score]))
def test_intervals_of_drops_are_those_of_differences_of_pseudo_values(output: int, theirs: object) -> None:
    (before, values), (after, others) = pseudo_values(theirs, GUESS), pseudo_values(theirs, WORSE)
    deviations = (values - before) - (others - after)
    both = SIZES.sum(axis=0)
    t = scipy.stats.t.ppf(0.975, both.sum() ** 2 / (both**2).sum() - 1)
    centre = 5 * (before - after) / 7  # of two more, one is right before alone and one after alone
    squares = (deviations**2).sum() + 5 * (before - after - centre) ** 2 + (1 - centre) ** 2 + (1 + centre) ** 2
    half = t * math.sqrt(squares) / 7
    scorer = metric("span_f1")
    rows = [scorer.statistics(GOLD, guess, []) for guess in (GUESS, WORSE)]
    found = drop_intervals(scorer, *rows)[output]
    assert found == pytest.approx((max(centre - half, -1), min(centre + half, 1)))


def test_the_interval_of_a_drop_in_accuracy_counts_two_more_examples_that_change() -> None:
    n, wrong, right = 40, 9, 2
    centre = (wrong - right) / (n + 2)
    half = scipy.stats.t.ppf(0.975, n - 1) * math.sqrt(wrong + right + 2 - (n + 2) * centre**2) / (n + 2)
    assert drop_of_counts(n, wrong, right) == pytest.approx((centre - half, centre + half))


class Outside(Metric):
    """A metric that says that it is bounded, and is not."""

    name = "outside"
    definition = "twice the accuracy"
    outputs = ("outside",)
    bounded = True

    def statistics(self, references: object, predictions: object, labels: object) -> np.ndarray:
        return np.ones((3, 2))

    def score(self, counts: np.ndarray) -> np.ndarray:
        return 2 * counts[..., :1] / counts[..., 1:]


def test_a_score_above_1_of_a_bounded_metric_is_its_mistake() -> None:
    with pytest.raises(PluginError, match=r"outside is 2\.0; the metric says that it is `bounded` by 0 and 1$"):
        score(Outside(), *labels(3, 3))
