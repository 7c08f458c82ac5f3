"""Bootstrap over seeds and examples, as a check of the formula: `xrobust compare --check bootstrap`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.metric import WholeSetMetric
from xrobust.metrics.calls import score_of
from xrobust.results.comparing.sides import GroupSide, SharedTests
from xrobust.results.examples import RunExamples

DRAWS = 1000


def bootstrap_difference(
    baseline: GroupSide, other: GroupSide, tests: SharedTests, some: Sequence[int], quantity: str
) -> tuple[float, float] | tuple[None, None]:
    """95% percentile interval of the difference, over draws of seeds of each side and of examples, by scipy.

    A draw takes the same examples on both sides, and an id in all languages that have it. None where there are fewer
    than two ids or seeds, or the metric is no function of summed counts. Narrow with few seeds (simulated: it misses up
    to twice as often as it should), which is why it is no more than a check.
    """
    from scipy.stats import bootstrap

    if isinstance(baseline.runs[0].scored_by.metric, WholeSetMetric):
        return None, None
    numbers = np.unique(np.concatenate([tests.clusters[i] for i in some]))
    sizes = [len(baseline.runs), len(other.runs), len(numbers)]
    if min(sizes) < 2:
        return None, None
    place = {number: i for i, number in enumerate(numbers)}
    clusters = [np.array([place[c] for c in tests.clusters[i]]) for i in some]
    sides = [[_Counts(side.runs, tests, i, quantity) for i in some] for side in (baseline, other)]

    def difference(a: Any, b: Any, ids: Any) -> float:
        weights = np.bincount(ids, minlength=len(numbers)).astype(float)
        means = [
            np.mean([counts.mean(weights[its], seeds) for counts, its in zip(side, clusters, strict=True)])
            for side, seeds in zip(sides, (a, b), strict=True)
        ]
        return float(means[1] - means[0])

    data = tuple(np.arange(size) for size in sizes)
    drawn = bootstrap(
        data,
        difference,
        n_resamples=DRAWS,
        vectorized=False,
        paired=False,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


class _Counts:
    """The statistics of one test set for all seeds of a side: (seeds, examples, k), on clean text too for a drop."""

    def __init__(self, runs: Sequence[RunExamples], tests: SharedTests, i: int, quantity: str) -> None:
        key = tests.keys[i]
        self.by = runs[0].scored_by
        self.under = [run.of(key).rows for run in runs]
        self.clean = [run.clean_of(key).rows for run in runs] if quantity == "drop" else None

    def mean(self, weights: np.ndarray, seeds: np.ndarray) -> float:
        """The mean score over the drawn seeds, of examples that count as often as `weights` says."""
        unique, times = np.unique(seeds, return_counts=True)
        values = [self._value(weights, seed) for seed in unique]
        return float(np.average(values, weights=times))

    def _value(self, weights: np.ndarray, seed: int) -> float:
        metric, output = self.by.metric, self.by.output
        under = score_of(metric, weights @ self.under[seed])[output]
        return float(under if self.clean is None else score_of(metric, weights @ self.clean[seed])[output] - under)
