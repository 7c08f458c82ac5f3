"""The worst case of each example over variants of a test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.metric import Metric, WholeSetMetric
from xrobust.metrics.calls import ratio_of, score_of


def worst_rows(scorer: Metric, variants: Sequence[np.ndarray]) -> np.ndarray:
    """The worst case: for each example the statistics of one variant (`worst_variants`); (examples, k) each."""
    return np.stack(variants)[worst_variants(scorer, variants), np.arange(len(variants[0]))]


def worst_variants(scorer: Metric, variants: Sequence[np.ndarray]) -> np.ndarray:
    """Index of the variant that is the worst case of each example: (examples,), from statistics (examples, k) each.

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
        return right.argmin(axis=0)
    parts = ratio_of(scorer, stacked)
    if parts is None:
        scores = score_of(scorer, stacked)[..., 0]
        scores[~stacked.any(axis=-1)] = 1.0  # nothing was to be found, and nothing was
        return scores.argmin(axis=0)
    numerator, denominator = parts
    value, chosen = np.inf, np.zeros(len(everyone), dtype=int)
    while True:
        total = denominator[chosen, everyone].sum()
        now = numerator[chosen, everyone].sum() / total if total else 0.0
        if now >= value:
            return chosen
        value = now
        chosen = (numerator - value * denominator).argmin(axis=0)


def _share_right(reference: Any, prediction: Any) -> float:
    """The share of an example's labels that are right; 1 where it has none."""
    if not isinstance(reference, list | tuple):
        return float(reference == prediction)
    return sum(a == b for a, b in zip(reference, prediction, strict=True)) / len(reference) if reference else 1.0
