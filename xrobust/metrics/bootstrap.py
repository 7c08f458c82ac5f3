"""Bootstrap intervals, for metrics of which no more is known than how to compute them."""

from __future__ import annotations

import math

import numpy as np

from xrobust.contracts.metric import Metric, WholeSetMetric
from xrobust.metrics.calls import score_of, values_of
from xrobust.metrics.intervals import CONFIDENCE, Interval, student_quantile

BOOTSTRAP_DRAWS = 1000
BOOTSTRAP_SEED = 0


def bootstrap_intervals(scorer: Metric, *sides: np.ndarray) -> list[Interval]:
    """95% intervals of a score, or of the drop from one side to the other, one for each output of the metric.

    The percentile bootstrap over examples (Efron & Tibshirani 1993, chapter 13), paired for a drop: a draw takes the
    same examples on both sides. Since it is too short in small samples (Hesterberg 2015), its arms are lengthened by
    sqrt(n / (n - 1)) and by Student's quantile over the normal one. Where all draws are equal the score may still be
    another: then an arm has the share t^2 / (n + t^2) of the way to the end of the range (-1 to 1 for a score, -2 to 2
    for a drop), as in Wilson's interval (1927) of a score of 0 or 1.

    Args:
        scorer: the metric.
        sides: statistics of one set of examples, (examples, k); or of the same examples before and after.
    """
    n = len(sides[0])
    value = _difference([values_of(scorer, side) for side in sides])
    quantile = student_quantile(n - 1)
    if math.isinf(quantile):
        low, high, share = value, value, 1.0
    else:
        longer = math.sqrt(n / (n - 1)) * quantile / student_quantile(math.inf)
        low, high = (value + longer * (end - value) for end in _percentiles(_difference(_drawn(scorer, *sides))))
        share = quantile**2 / (n + quantile**2)
    still, reach = ~(low < high), float(len(sides))
    low = np.fmin(value, np.where(still, value + share * (-reach - value), low))
    high = np.fmax(value, np.where(still, value + share * (reach - value), high))
    return [Interval(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]


def bootstrap(rows: np.ndarray) -> np.ndarray:
    """Summed statistics of 1,000 draws of n examples with replacement, seed 0: float64 (draws, k) from (n, k).

    No `scipy.stats.bootstrap`: it calls the statistic on resampled examples; here a draw is one product of a matrix.
    """
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    n = len(rows)
    draws = np.empty((BOOTSTRAP_DRAWS, rows.shape[1]))
    for d in range(BOOTSTRAP_DRAWS):
        draws[d] = np.bincount(rng.integers(0, n, n), minlength=n) @ rows
    return draws


def _difference(sides: list[np.ndarray]) -> np.ndarray:
    """The first of two, minus the second; or the only one."""
    return sides[0] - sides[1] if len(sides) == 2 else sides[0]


def _drawn(scorer: Metric, *sides: np.ndarray) -> list[np.ndarray]:
    """For each side the scores of the bootstrap draws, (draws, outputs); a draw has the same examples on every side."""
    if isinstance(scorer, WholeSetMetric):
        n = len(sides[0])
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        picks = [rng.integers(0, n, n) for _ in range(scorer.draws)]
        return [np.stack([values_of(scorer, side[pick]) for pick in picks]) for side in sides]
    draws = bootstrap(sides[0] if len(sides) == 1 else np.concatenate(sides, axis=1))
    width = sides[0].shape[1]
    return [score_of(scorer, draws[:, start : start + width]) for start in range(0, draws.shape[1], width)]


def _percentiles(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval: (outputs,) each, from (draws, outputs).

    Draws that have no score (a correlation with what is constant in the draw) are left out.
    """
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.stack([_percentile(column[~np.isnan(column)], tail) for column in draws.T], axis=1)
    return low, high


def _percentile(values: np.ndarray, tail: float) -> np.ndarray:
    """Both ends, (2,); NaN where there are no values."""
    return np.percentile(values, [tail, 100 - tail]) if len(values) else np.full(2, np.nan)
