"""Influence of each example on a score: how far the score moves, to first order, when the example weighs more."""

from __future__ import annotations

import numpy as np

from xrobust.contracts.metric import Metric, WholeSetMetric
from xrobust.metrics.calls import ratio_of, score_of, values_of

STEP = 1e-4
"""Relative step of the numerical derivative of a score by its mean counts."""


def influence(metric: Metric, rows: np.ndarray, output: int = 0) -> np.ndarray:
    """Influence of each example on a score (Hampel 1974; the infinitesimal jackknife of Efron 1982, chapter 6).

    Args:
        metric: the metric.
        rows: its statistics of each example, (examples, k).
        output: index of the value in `metric.outputs`.

    Returns:
        float64 (examples,) of mean zero; the variance of the score over samples of n examples is close to the variance
        of these values divided by n. For a ratio of sums, such as token accuracy and span F1, it is
        (numerator - score * denominator) / mean denominator.
    """
    n = len(rows)
    if isinstance(metric, WholeSetMetric):
        whole = values_of(metric, rows)[output]
        without = np.array([values_of(metric, np.delete(rows, i, axis=0))[output] for i in range(n)])
        moved = (n - 1) * (whole - without)  # the jackknife: there is nothing to take a derivative of
        return moved - moved.mean()
    mean = rows.mean(axis=0)
    parts = ratio_of(metric, rows) if output == 0 else None
    if parts is not None:
        numerator, denominator = parts
        size = denominator.mean()
        if not size:
            return np.zeros(n)
        return (numerator - numerator.mean() / size * denominator) / size
    return (rows - mean) @ _gradient(metric, mean, output)


def _gradient(metric: Metric, mean: np.ndarray, output: int) -> np.ndarray:
    """Derivative of a score by its mean counts, (k,), by central differences; 0 for counts that are 0 throughout."""
    steps = np.diag(STEP * mean)
    up, down = score_of(metric, mean + steps)[:, output], score_of(metric, mean - steps)[:, output]
    return np.divide(up - down, 2 * STEP * mean, out=np.zeros(len(mean)), where=mean != 0)
