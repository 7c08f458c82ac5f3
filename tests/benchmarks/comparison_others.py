"""Tests of methods that are in use and that xrobust does not offer, on many simulated replications at once.

Each says where it rejects at 5% that the means over languages are equal: bool (R, comparisons).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, norm, t

from xrobust.metrics.inference import ALPHA

from .comparison_inference import Comparison, Scored

DRAWS = 300
"""Bootstrap draws."""


def t_over_languages(estimates: np.ndarray) -> np.ndarray:
    """Student's paired t over languages, as if they were drawn; (R, L, comparisons), of each language."""
    languages = estimates.shape[1]
    error = estimates.std(axis=1, ddof=1) / np.sqrt(languages)
    return np.abs(estimates.mean(axis=1)) > t.ppf(1 - ALPHA / 2, languages - 1) * error


def pooled_sentences(estimates: np.ndarray, d: np.ndarray) -> np.ndarray:
    """z over the sentences of all languages, as if they were all independent and the seeds the only ones."""
    error = np.sqrt((d**2).sum(axis=(1, 3))) / (d.shape[1] * d.shape[3])
    return np.abs(estimates.mean(axis=1)) > norm.ppf(1 - ALPHA / 2) * error


def mcnemar(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """McNemar's exact test of the first seed of each, all languages pooled; right or not (R, L, n). bool (R,)."""
    won = ((b > a).sum(axis=(1, 2))).astype(int)
    lost = ((a > b).sum(axis=(1, 2))).astype(int)
    return 2 * binom.cdf(np.minimum(won, lost), won + lost, 0.5) <= ALPHA


def bootstrap(
    a: Scored, b: Scored, chosen: Sequence[Comparison], parallel: bool, rng: np.random.Generator
) -> np.ndarray:
    """Percentile bootstrap that draws seeds of each side and examples (translations together), both with replacement.

    A score of drawn examples is its first-order expansion.
    """
    _, languages, _, n = a.influence.shape
    counts = np.stack([_drawn(rng, n) for _ in range(1 if parallel else languages)])
    scores_a, scores_b = (_scores_of_draws(side, counts) for side in (a, b))
    rejected = np.empty((len(scores_a), len(chosen)), dtype=bool)
    for k, c in enumerate(chosen):
        above = (_mean_of_drawn(rng, scores_b[:, c.b]) > _mean_of_drawn(rng, scores_a[:, c.a])).mean(axis=1)
        rejected[:, k] = (above <= ALPHA / 2) | (above >= 1 - ALPHA / 2)
    return rejected


def _drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each of n examples is drawn: float32 (draws, n)."""
    picks = rng.integers(0, n, (DRAWS, n)) + n * np.arange(DRAWS)[:, None]
    return np.bincount(picks.ravel(), minlength=n * DRAWS).reshape(DRAWS, n).astype(np.float32)


def _scores_of_draws(side: Scored, counts: np.ndarray) -> np.ndarray:
    """Means over languages of each run on the drawn examples, (R, S, draws), from (languages or 1, draws, n)."""
    _, languages, _, n = side.influence.shape
    influence = side.influence.sum(axis=1, keepdims=True) if len(counts) == 1 else side.influence
    moved = (influence @ counts.transpose(0, 2, 1)).sum(axis=1) / (languages * n)
    return side.values.mean(axis=1)[..., None] + moved


def _mean_of_drawn(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """Means over seeds that are drawn, (R, draws), from (R, S, draws)."""
    size = scores.shape[1]
    weights = rng.multinomial(size, np.full(size, 1 / size), size=DRAWS).T / size
    return np.einsum("rsd,sd->rd", scores, weights)
