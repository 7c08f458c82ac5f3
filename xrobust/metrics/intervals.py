"""95% intervals of scores between 0 and 1, and of the drop between two scores of the same examples.

Score and spread come from jackknife pseudo-values, which turn any score of summed statistics into a mean over examples
(Tukey 1958; Efron 1982, chapter 2). To these each interval adds two examples that were not seen, as Agresti and Coull
(1998) and Agresti and Min (2005) do, so that no sample is so small or so uniform that its spread is taken for zero; its
quantile is Student's. docs/intervals.md has the formulas and the simulated coverage.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from xrobust.contracts.metric import Metric
from xrobust.metrics.calls import ratio_of, score_of

CONFIDENCE = 0.95
FEWEST_DF = 0.1
"""With fewer degrees of freedom Student's quantile is past all use."""


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def level_intervals(scorer: Metric, rows: np.ndarray) -> list[Interval]:
    """95% intervals of the scores, one for each output of the metric; 0 to 1 where nothing can be said.

    The interval of Agresti & Coull (1998), which always holds Wilson's (1927), for an effective number of examples
    p (1 - p) / V (Korn & Graubard 1998; Dean & Pagano 2015), V the variance of the score. For one label an example that
    is the number of examples. V is that of the pseudo-values and of two more examples, one all right and one all wrong.

    Args:
        scorer: a `bounded` metric.
        rows: its statistics of each example, (examples, k).
    """
    rows = rows[rows.any(axis=1)]
    quantile = student_quantile(effective_size(_sizes(scorer, rows)) - 1)
    if math.isinf(quantile):
        return [Interval(0.0, 1.0)] * len(scorer.outputs)
    n = len(rows)
    values, deviations = _jackknife(scorer, rows)
    middle = (n * values + 1) / (n + 2)
    spread = (deviations**2).sum(axis=0) + n * (values - middle) ** 2 + middle**2 + (1 - middle) ** 2
    effective = n * middle * (1 - middle) * (n + 2) / spread
    weight = effective + quantile**2
    centre = (effective * values + quantile**2 / 2) / weight
    return _within(0, 1, centre, quantile * np.sqrt(centre * (1 - centre) / weight))


def paired_drop_intervals(scorer: Metric, before: np.ndarray, after: np.ndarray) -> list[Interval]:
    """95% intervals of score(before) - score(after), one for each output; -1 to 1 where nothing can be said.

    The interval of Agresti & Min (2005) for differences of pseudo-values, with Student's quantile. The two examples
    that it adds are one right before alone and one right after alone; half of each, as they have it, covers 87% where
    no example becomes right.

    Args:
        scorer: a `bounded` metric.
        before: its statistics of each example, (examples, k).
        after: those of the same examples, in the same order.
    """
    some = before.any(axis=1) | after.any(axis=1)
    before, after = before[some], after[some]
    quantile = student_quantile(effective_size(_sizes(scorer, before) + _sizes(scorer, after)) - 1)
    if math.isinf(quantile):
        return [Interval(-1.0, 1.0)] * len(scorer.outputs)
    n = len(before)
    (values, deviations), (values_after, deviations_after) = _jackknife(scorer, before), _jackknife(scorer, after)
    drop = values - values_after
    centre = n * drop / (n + 2)
    spread = ((deviations - deviations_after) ** 2).sum(axis=0) + n * drop**2 + 2 - (n + 2) * centre**2
    return _within(-1, 1, centre, quantile * np.sqrt(spread) / (n + 2))


def student_quantile(df: float) -> float:
    """Upper end of Student's t for a two-sided 95% interval; infinite below 0.1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + CONFIDENCE) / 2)) if df >= FEWEST_DF else math.inf


def effective_size(sizes: np.ndarray) -> float:
    """Number of equal examples that tell as much as examples of these sizes do (Kish 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if sizes.any() else 0.0


def _sizes(scorer: Metric, rows: np.ndarray) -> np.ndarray:
    """Sizes of examples, (examples,): the denominators of a ratio of sums (labels, spans), else 1."""
    parts = ratio_of(scorer, rows)
    return np.ones(len(rows)) if parts is None else parts[1].astype(float)


def _jackknife(scorer: Metric, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of all examples, (outputs,), and each pseudo-value's deviation from them, (examples, outputs)."""
    total = rows.sum(axis=0)
    values = score_of(scorer, total)
    return values, (len(rows) - 1) * (values - score_of(scorer, total - rows))


def _within(lowest: float, highest: float, centre: np.ndarray, half: np.ndarray) -> list[Interval]:
    low, high = np.maximum(centre - half, lowest), np.minimum(centre + half, highest)
    return [Interval(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]
