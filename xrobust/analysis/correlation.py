"""Correlations of a few languages' scores with something that may explain them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt, tanh
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FEWEST = 5
"""With fewer languages no correlation is computed: four points cannot reach a two-sided p below 2/24."""
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Coefficient:
    """One correlation coefficient."""

    value: float
    low: float
    high: float
    """95% confidence interval."""
    p: float
    """Two-sided p-value."""
    effective_n: float | None = None
    """Number of independent points that vary as much, where points may be related: see `xrobust.analysis.related`."""


@dataclass(frozen=True)
class Correlation:
    """How two quantities go together over `n` points: linearly, and in their order."""

    n: int
    pearson: Coefficient
    spearman: Coefficient


def correlation(
    x: Sequence[float], y: Sequence[float], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> Correlation:
    """Pearson's r and Spearman's rho (average ranks for ties) of paired values, with intervals and p-values.

    The intervals are taken on Fisher's z scale, with standard error 1/sqrt(n - 3) for r (Fisher 1921) and
    sqrt((1 + rho^2/2)/(n - 3)) for rho (Bonett and Wright 2000). The p-values are those of `permutations` random
    permutations, p = (b + 1)/(m + 1) (Phipson and Smyth 2010); the same `seed` gives the same ones.

    Raises ValueError where `undefined` gives a reason.
    """
    import numpy as np
    from scipy.stats import pearsonr, rankdata, zscore

    if (reason := undefined(x, y)) is not None:
        raise ValueError(reason)
    n = len(x)
    # Not scipy's `permutation_test`: for few languages it takes all permutations, with another p and no seed.
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (permutations, 1)), axis=1)

    def coefficient(a: np.ndarray, b: np.ndarray, variance: float) -> Coefficient:
        value = float(pearsonr(a, b).statistic)
        # Equal up to rounding counts as extreme: with ties many permutations have the very value that was observed.
        extreme = int((np.abs(zscore(b)[orders] @ zscore(a)) / n >= abs(value) - 1e-12).sum())
        low, high = fisher_interval(value, variance, n)
        return Coefficient(value, low, high, (extreme + 1) / (permutations + 1))

    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return Correlation(n, coefficient(first, second, 0), coefficient(rankdata(first), rankdata(second), 0.5))


def undefined(x: Sequence[float], y: Sequence[float]) -> str | None:
    """Why there is no correlation of these values, or None. Raises ValueError where they are no pairs."""
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} values are no pairs")
    if len(x) < FEWEST:
        return f"with fewer than {FEWEST} languages a correlation means nothing"
    if len(set(x)) == 1 or len(set(y)) == 1:
        return "all values are equal"
    return None


def fisher_interval(value: float, variance: float, n: float) -> tuple[float, float]:
    """95% interval of a coefficient of n points, by a standard error of sqrt((1 + variance value^2) / (n - 3)) on
    Fisher's z scale; -1 to 1 for n of at most 3."""
    from scipy.stats import norm

    if n <= 3:
        return -1.0, 1.0
    error = sqrt((1 + variance * value**2) / (n - 3))
    if abs(value) > 1 - 1e-12:  # infinite on Fisher's scale, but for rounding
        return value, value
    half = float(norm.ppf(0.975)) * error
    return tanh(atanh(value) - half), tanh(atanh(value) + half)
