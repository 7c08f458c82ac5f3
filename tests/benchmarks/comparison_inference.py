"""The inference of `xrobust compare` on many simulated replications at once, and a check that it is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtrinc
from scipy.stats import t

from xrobust.contracts.metric import Metric
from xrobust.metrics.by_name import metric
from xrobust.metrics.inference import ALPHA, POWER, Inference, Part, Side, array_degrees_of_freedom, infer_difference
from xrobust.metrics.influence import influence

from .comparison_model import SEEDS, Design, Runs

INVERSE_DF = np.linspace(1e-6, 1, 20_001)
CRITICAL = t.ppf(1 - ALPHA / 2, 1 / INVERSE_DF)
POWERFUL = nctdtrinc(1 / INVERSE_DF, 1 - POWER, CRITICAL)


@dataclass(frozen=True)
class Comparison:
    """Seeds of A and of B that are compared."""

    label: str
    a: slice
    b: slice


def comparisons(paired: bool) -> list[Comparison]:
    """All that ten seeds a side give, without using one twice under the same label."""
    equal = [
        Comparison(str(size), slice(first, first + size), slice(first, first + size))
        for size in (2, 3, 5, 10)
        for first in range(0, SEEDS - size + 1, size)
    ]
    unequal = [Comparison("5 and 3", slice(5 * i, 5 * i + 5), slice(3 * i, 3 * i + 3)) for i in range(2)]
    return equal if paired else equal + unequal


@dataclass(frozen=True)
class Scored:
    """Scores of the runs of a method, (R, L, S), and the influence of each example on them, (R, L, S, n)."""

    values: np.ndarray
    influence: np.ndarray

    def __sub__(self, other: Scored) -> Scored:
        """Drops from this to the other."""
        return Scored(self.values - other.values, self.influence - other.influence)


@dataclass(frozen=True)
class Estimates:
    """Estimates, and the parts of their variance with their degrees of freedom; (R, languages or 1, comparisons)."""

    estimate: np.ndarray
    seeds: tuple[Part, ...]
    examples: Part

    @property
    def error(self) -> np.ndarray:
        """Standard error."""
        return np.sqrt(sum(part.variance for part in self.seeds) + self.examples.variance)

    @property
    def df(self) -> np.ndarray:
        """Degrees of freedom, as xrobust has them; 1 where nothing varies."""
        seeds = [(part.variance, part.df) for part in self.seeds]
        return array_degrees_of_freedom(seeds, (self.examples.variance, self.examples.df))

    @property
    def welch(self) -> np.ndarray:
        """Degrees of freedom by Welch and Satterthwaite, without what makes them safe."""
        below = sum(part.variance**2 / part.df for part in (*self.seeds, self.examples))
        return np.divide(self.error**4, below, out=np.ones_like(below), where=below > 0)

    def half_width(self, df: np.ndarray) -> np.ndarray:
        """Half of the 95% interval with these degrees of freedom."""
        return np.interp(1 / df, INVERSE_DF, CRITICAL) * self.error

    def rejects(self, truth: np.ndarray | float, df: np.ndarray) -> np.ndarray:
        """Where the interval does not hold this value: bool, as `estimate`."""
        return np.abs(self.estimate - truth) > self.half_width(df)

    def detectable(self) -> np.ndarray:
        """The smallest difference that xrobust says could have been shown."""
        return np.interp(1 / self.df, INVERSE_DF, POWERFUL) * self.error


def mean_influence(of_runs: np.ndarray, seeds: Sequence[slice]) -> np.ndarray:
    """Influence of each example, averaged over each of these sets of seeds: (R, L, sets, n) from (R, L, S, n)."""
    weights = np.zeros((len(seeds), SEEDS), dtype=np.float32)
    for row, chosen in zip(weights, seeds, strict=True):
        row[chosen] = 1 / (chosen.stop - chosen.start)
    return weights @ of_runs


def examples_of_average(moved: np.ndarray, parallel: bool) -> Part:
    """The examples' part for the mean over languages, from (R, L, comparisons, n): (R, 1, comparisons)."""
    _, languages, _, n = moved.shape
    clusters = n if parallel else languages * n
    sums = moved.sum(axis=1, keepdims=True) if parallel else moved
    squares = (sums**2).sum(axis=(1, 3))[:, None] / (languages * n) ** 2
    return Part(clusters / (clusters - 1) * squares, clusters - 1)


def examples_of_languages(moved: np.ndarray) -> Part:
    """The examples' part of each language for itself: (R, L, comparisons)."""
    n = moved.shape[-1]
    return Part((moved**2).sum(axis=-1) / (n * (n - 1)), n - 1)


def compare(a: np.ndarray, b: np.ndarray, examples: Part, chosen: Sequence[Comparison], paired: bool) -> Estimates:
    """Estimates of B minus A, from scores (R, languages or 1, S)."""
    sides = [[a[..., c.a] for c in chosen], [b[..., c.b] for c in chosen]]
    means = [np.stack([scores.mean(axis=-1) for scores in side], axis=-1) for side in sides]
    varying = [[there - here for here, there in zip(*sides, strict=True)]] if paired else sides
    return Estimates(means[1] - means[0], tuple(_seeds(side) for side in varying), examples)


def level(a: np.ndarray, examples: Part, chosen: Sequence[Comparison]) -> Estimates:
    """Estimates of the score of one method."""
    scores = [a[..., c.a] for c in chosen]
    return Estimates(np.stack([s.mean(axis=-1) for s in scores], axis=-1), (_seeds(scores),), examples)


def _seeds(scores: Sequence[np.ndarray]) -> Part:
    variances = [s.var(axis=-1, ddof=1) / s.shape[-1] for s in scores]
    return Part(np.stack(variances, axis=-1), np.array([s.shape[-1] - 1 for s in scores]))


def check(design: Design, a: Sequence[Runs], b: Sequence[Runs], ours: Estimates) -> None:
    """Fails unless xrobust has the same average for the first replication, from the metric's own statistics.

    `a` and `b` are clean runs, or clean and perturbed runs: then it is about drops.
    """
    scorer = metric("span_f1" if design.metric == "span F1" else "accuracy")
    first = 0 if design.parallel else design.examples
    clusters = [np.arange(design.examples) + first * language for language in range(design.languages)]
    paired = bool(design.shared_seeds)
    for k, c in enumerate(comparisons(paired)):
        sides = _side(scorer, a, c.a), _side(scorer, b, c.b)
        theirs = infer_difference(*sides, clusters, paired_seeds=paired)
        assert isinstance(theirs, Inference)
        found = [x[0, 0, k] for x in (ours.estimate, ours.error, ours.df, ours.detectable())]
        wanted = [(theirs.low + theirs.high) / 2, theirs.standard_error, theirs.df, theirs.detectable]
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-6)


def _side(scorer: Metric, conditions: Sequence[Runs], seeds: slice) -> Side:
    """Some seeds of the first replication, as xrobust has them: scores, or drops from the first condition."""
    values, moved = [], []
    for language in range(conditions[0].right.shape[1]):
        rows = [[runs.statistics(0, language, s) for runs in conditions] for s in range(seeds.start, seeds.stop)]
        values.append([_drop([scorer.score(r.sum(axis=0))[0] for r in of_seed]) for of_seed in rows])
        moved.append(np.mean([_drop([influence(scorer, r) for r in of_seed]) for of_seed in rows], axis=0))
    return Side(np.array(values).T, tuple(moved))


def _drop(of_conditions: Sequence[np.ndarray]) -> np.ndarray:
    return of_conditions[0] - sum(of_conditions[1:])
