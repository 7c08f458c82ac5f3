"""Simulated test sets whose true score is known: the model behind tests.benchmarks.level_coverage.

The labels, tokens or gold entities of an example are right with a probability that is drawn for the example from a beta
distribution: `within` is its intraclass correlation. A sentence also has false entities, a Poisson number with the mean
that makes precision equal recall, so that precision, recall and F1 all have the mean of that distribution. Under a
change the probability has another mean; `between` is the correlation of both probabilities (as normal scores), and the
share of the labels, tokens or entities whose luck is the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import beta

SPANS = {"span F1": np.full(6, 1 / 6), "span F1, few entities": np.array([0.4, 0.35, 0.12, 0.07, 0.04, 0.02])}
"""Shares of sentences with 0 to 5 gold entities."""
LONGEST = 30
"""Tokens of the longest sentence."""
LONG = 0.1
"""Share of the sentences of `LONGEST` tokens among "tokens, few long"; the others have 1 to 5."""
KINDS = ("accuracy", "token accuracy", *SPANS, "token accuracy, few long")
POINTS = 4096
MOST_FALSE = 14
"""The number of false entities of a sentence is below this; its mean is at most 2.5."""


@dataclass(frozen=True)
class Design:
    """A kind of test set, its true score, and how much its parts hang together."""

    kind: str
    score: float
    within: float
    after: float | None = None
    """True score under the change; None for a level."""
    between: float = 0.0

    @property
    def truth(self) -> float:
        """The true score, or the true drop."""
        return self.score if self.after is None else self.score - self.after


def sample(design: Design, n: int, replications: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Statistics of each example as metrics have them, (replications, n, k): of clean text, then of changed text."""
    sizes = _sizes(design.kind, (replications, n), rng)
    units = np.arange(sizes.max() or 1)
    is_unit = units < sizes[..., None]
    difficulty = rng.standard_normal(sizes.shape)
    luck, false_luck = rng.random((*sizes.shape, len(units))), rng.random(sizes.shape)
    sides = [_counted(design, design.score, difficulty, luck, false_luck, sizes, is_unit)]
    if design.after is not None:
        other = design.between * difficulty + np.sqrt(1 - design.between**2) * rng.standard_normal(sizes.shape)
        luck = np.where(rng.random(luck.shape) < design.between, luck, rng.random(luck.shape))
        false_luck = np.where(rng.random(sizes.shape) < design.between, false_luck, rng.random(sizes.shape))
        sides.append(_counted(design, design.after, other, luck, false_luck, sizes, is_unit))
    return sides


def _sizes(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    if kind == "accuracy":
        return np.ones(shape, dtype=int)
    if kind in SPANS:
        return rng.choice(len(SPANS[kind]), size=shape, p=SPANS[kind])
    if kind == "token accuracy":
        return np.minimum(3 + rng.geometric(1 / 9, shape), LONGEST)
    return np.where(rng.random(shape) < LONG, LONGEST, rng.integers(1, 6, shape))


def _counted(
    design: Design,
    score: float,
    difficulty: np.ndarray,
    luck: np.ndarray,
    false_luck: np.ndarray,
    sizes: np.ndarray,
    is_unit: np.ndarray,
) -> np.ndarray:
    chance = _chances(score, design.within)[(ndtr(difficulty) * POINTS).astype(int)]
    right = ((luck < chance[..., None]) & is_unit).sum(axis=-1)
    if design.kind not in SPANS:
        return np.stack([right, sizes], axis=-1).astype(float)
    shares = SPANS[design.kind]
    false = _poisson(false_luck, float(np.arange(len(shares)) @ shares) * (1 - chance))
    return np.stack([right, right + false, sizes], axis=-1).astype(float)


def _chances(score: float, within: float) -> np.ndarray:
    """Quantiles of the beta distribution of that mean and intraclass correlation, at the middles of equal shares."""
    if not within:
        return np.full(POINTS, score)
    size = (1 - within) / within
    return beta.ppf((np.arange(POINTS) + 0.5) / POINTS, score * size, (1 - score) * size)


def _poisson(uniform: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Quantiles of Poisson distributions."""
    number, term = np.zeros(uniform.shape), np.exp(-mean)
    below = term.copy()
    for k in range(1, MOST_FALSE):
        number += uniform > below
        term = term * mean / k
        below += term
    return number
