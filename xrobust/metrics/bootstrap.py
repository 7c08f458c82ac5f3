"""Scores with bootstrap intervals, drops between paired scores, and the worst case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xrobust.contracts.metric import Metric, labels_in
from xrobust.metrics.by_name import metric

BOOTSTRAP_DRAWS = 1000

CONFIDENCE = 0.95

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Score:
    """One value with its percentile-bootstrap interval over examples (sentences, for tagging)."""

    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    """Examples scored."""


def score(name: str | Metric, references: Sequence[Any], predictions: Sequence[Any]) -> list[Score]:
    """Scores with 95% intervals: one for each output of the metric.

    The percentile bootstrap (Efron & Tibshirani 1993, chapter 13): 1,000 draws of n examples with replacement, seed 0.
    Raises UserError for an unknown metric and ValueError where the two differ in length or nothing is there to score.
    """
    scorer = metric(name)
    if not references:
        raise ValueError("nothing to score")
    labels = labels_in(references, predictions)
    return score_rows(scorer, scorer.statistics(references, predictions, labels))


def score_rows(scorer: Metric, rows: np.ndarray) -> list[Score]:
    """`score`, of the statistics of each example: float64 (examples, k)."""
    values = scorer.score(rows.sum(axis=0))
    low, high = _interval(scorer.score(bootstrap(rows)))
    scores = [
        Score(output, float(v), float(lo), float(hi), len(rows))
        for output, v, lo, hi in zip(scorer.outputs, values, low, high, strict=True)
    ]
    assert all(math.isfinite(s.value) for s in scores), "a ratio of counts is finite"
    return scores


def drop_intervals(scorer: Metric, before: np.ndarray, after: np.ndarray) -> list[tuple[float, float]]:
    """95% intervals of score(before) - score(after), one for each output; both are statistics of the same examples.

    A draw takes the same examples on both sides (a paired bootstrap), so that what makes an example hard for both does
    not widen the interval.
    """
    draws = bootstrap(np.concatenate([before, after], axis=1))
    width = before.shape[1]
    low, high = _interval(scorer.score(draws[:, :width]) - scorer.score(draws[:, width:]))
    return [(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]


def bootstrap(rows: np.ndarray) -> np.ndarray:
    """Summed statistics of 1,000 draws of n examples with replacement, seed 0: float64 (draws, k) from (n, k)."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    n = len(rows)
    draws = np.empty((BOOTSTRAP_DRAWS, rows.shape[1]))
    for d in range(BOOTSTRAP_DRAWS):
        draws[d] = np.bincount(rng.integers(0, n, n), minlength=n) @ rows
    return draws


def _interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval: (outputs,) each, from (draws, outputs)."""
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def worst_rows(scorer: Metric, variants: Sequence[np.ndarray]) -> np.ndarray:
    """The worst case: for each example the statistics under one of the variants; (examples, k) each.

    For a metric that is a ratio of sums these are the choices that make the score of all examples together as low as
    it can be (Dinkelbach 1967): no single variant is worse, and another variant can only lower it. The lowest F1 of
    each sentence for itself would not do: sentences in which nothing is right are all 0, however much is wrong.
    For any other metric it is the lowest score of each example for itself. Of equals the first variant is taken.
    """
    stacked = np.stack(variants)
    everyone = np.arange(stacked.shape[1])
    parts = scorer.ratio(stacked)
    if parts is None:
        scores = scorer.score(stacked)[..., 0]
        scores[~stacked.any(axis=-1)] = 1.0  # nothing was to be found, and nothing was
        return stacked[scores.argmin(axis=0), everyone]
    numerator, denominator = parts
    value, chosen = np.inf, np.zeros(len(everyone), dtype=int)
    while True:
        total = denominator[chosen, everyone].sum()
        now = numerator[chosen, everyone].sum() / total if total else 0.0
        if now >= value:
            return stacked[chosen, everyone]
        value = now
        chosen = (numerator - value * denominator).argmin(axis=0)
