"""Scores with bootstrap intervals, drops between paired scores, and the worst case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xrobust.contracts.calling import blamed
from xrobust.contracts.metric import Metric, WholeSetMetric, labels_in
from xrobust.metrics.by_name import metric
from xrobust.metrics.calls import ratio_of, score_of, score_set_of, statistics_of

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
    draws: int = BOOTSTRAP_DRAWS
    """Bootstrap draws of the interval."""


def score(
    name: str | Metric, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str] | None = None
) -> list[Score]:
    """Scores with 95% intervals: one for each output of the metric. `labels` is the task's, or else those that occur.

    The percentile bootstrap (Efron & Tibshirani 1993, chapter 13): 1,000 draws of n examples with replacement, seed 0;
    `draws` of them for a `WholeSetMetric`. Raises UserError for an unknown metric and ValueError where the two differ
    in length or nothing is there to score.
    """
    scorer = metric(name)
    if not references:
        raise ValueError("nothing to score")
    if len(references) != len(predictions):
        raise ValueError(f"{len(references)} references and {len(predictions)} predictions")
    labels = labels_in(references, predictions) if labels is None else labels
    return score_rows(scorer, statistics_of(scorer, references, predictions, labels))


def score_rows(scorer: Metric, rows: np.ndarray) -> list[Score]:
    """`score`, of the statistics of each example: (examples, k). Raises PluginError for a value that is no number."""
    values = values_of(scorer, rows)
    for output, value in zip(scorer.outputs, values, strict=True):
        if not math.isfinite(value):
            step = "score_set" if isinstance(scorer, WholeSetMetric) else "score"
            raise blamed(scorer, step, "", f"{output} of {len(rows)} examples is {value}: no score can be written")
    (drawn,) = _drawn(scorer, rows)
    low, high = _interval(drawn)
    return [
        Score(output, float(v), float(lo), float(hi), len(rows), len(drawn))
        for output, v, lo, hi in zip(scorer.outputs, values, low, high, strict=True)
    ]


def values_of(scorer: Metric, rows: np.ndarray) -> np.ndarray:
    """The scores of a set of examples, (outputs,), from the statistics of each: (examples, k)."""
    if isinstance(scorer, WholeSetMetric):
        return score_set_of(scorer, rows)
    return score_of(scorer, rows.sum(axis=0))


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


def drop_intervals(scorer: Metric, before: np.ndarray, after: np.ndarray) -> list[tuple[float, float]]:
    """95% intervals of score(before) - score(after), one for each output; both are statistics of the same examples.

    A draw takes the same examples on both sides (a paired bootstrap), so that what makes an example hard for both does
    not widen the interval.
    """
    scores_before, scores_after = _drawn(scorer, before, after)
    low, high = _interval(scores_before - scores_after)
    return [(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]


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


def _interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval: (outputs,) each, from (draws, outputs).

    Draws that have no score (a correlation with what is constant in the draw) are left out.
    """
    tail = (1 - CONFIDENCE) / 2 * 100
    percentile = np.nanpercentile if np.isnan(draws).any() else np.percentile
    low, high = percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def worst_rows(scorer: Metric, variants: Sequence[np.ndarray]) -> np.ndarray:
    """The worst case: for each example the statistics under one of the variants; (examples, k) each.

    For a metric that is a ratio of sums these are the choices that make the score of all examples together as low as
    it can be (Dinkelbach 1967): no single variant is worse, and another variant can only lower it. The lowest F1 of
    each sentence for itself would not do: sentences in which nothing is right are all 0, however much is wrong.
    For any other metric it is the lowest score of each example for itself; of a `WholeSetMetric`, which has no score of
    one example, the prediction with the fewest right labels. Of equals the first variant is taken.
    """
    stacked = np.stack(variants)
    everyone = np.arange(stacked.shape[1])
    if isinstance(scorer, WholeSetMetric):
        right = np.array([[_share_right(*pair) for pair in variant] for variant in stacked])
        return stacked[right.argmin(axis=0), everyone]
    parts = ratio_of(scorer, stacked)
    if parts is None:
        scores = score_of(scorer, stacked)[..., 0]
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


def _share_right(reference: Any, prediction: Any) -> float:
    """The share of an example's labels that are right; 1 where it has none."""
    if not isinstance(reference, list | tuple):
        return float(reference == prediction)
    return sum(a == b for a, b in zip(reference, prediction, strict=True)) / len(reference) if reference else 1.0
