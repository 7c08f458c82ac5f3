"""Correlations over languages of which some are related: tests and intervals by an effective number of languages.

Related languages share distance and gain, so they count for less than as many unrelated ones. The variance of r between
two variables, each correlated within groups, is that over an effective number of independent points (Clifford,
Richardson and Hemon, Biometrics 1989; Dutilleul 1993): docs/analysis.md says why this test and not another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

from xrobust.analysis.correlation import FEWEST, Coefficient, Correlation, fisher_interval, undefined

if TYPE_CHECKING:
    import numpy as np


def related_correlation(x: Sequence[float], y: Sequence[float], groups: Sequence[str]) -> Correlation:
    """Pearson's r and Spearman's rho of paired values, with intervals and p-values for points related within groups.

    p is that of Student's t = r sqrt((m - 2) / (1 - r^2)) with m - 2 degrees of freedom, the intervals those of
    `correlation` with m for n; m is the `effective_size`, for rho that of the ranks. Points of one group are taken to
    be equally correlated, those of two groups independent.

    Raises ValueError where `undefined_of_related` gives a reason.
    """
    import numpy as np
    from scipy.stats import pearsonr, rankdata

    if (reason := undefined_of_related(x, y, groups)) is not None:
        raise ValueError(reason)
    numbers = np.unique(groups, return_inverse=True)[1]

    def coefficient(a: np.ndarray, b: np.ndarray, variance: float) -> Coefficient:
        value, m = float(pearsonr(a, b).statistic), effective_size(a, b, numbers)
        low, high = fisher_interval(value, variance, m)
        return Coefficient(value, low, high, _p_value(value, m), m)

    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return Correlation(len(x), coefficient(first, second, 0), coefficient(rankdata(first), rankdata(second), 0.5))


def undefined_of_related(x: Sequence[float], y: Sequence[float], groups: Sequence[str]) -> str | None:
    """Why nothing can be said of these values, or None. Raises ValueError where they are no triples."""
    if len(groups) != len(x):
        raise ValueError(f"{len(x)} values of {len(groups)} languages")
    if (reason := undefined(x, y)) is not None:
        return reason
    if (count := len(set(groups))) < FEWEST:
        return f"its languages are of {count} groups of related ones, and with fewer than {FEWEST} nothing can be said"
    return None


def effective_size(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> float:
    """Number of independent points whose r varies as much as that of these: from 2 to n.

    1 + tr(P R_x P) tr(P R_y P) / tr(P R_x P R_y P), with P the centring matrix and R the correlations of points: 1 on
    the diagonal, the variable's intraclass correlation within groups, 0 elsewhere. Where either variable is not
    correlated within groups it is n.

    Args:
        x: float64 (n,).
        y: float64 (n,).
        groups: int (n,), from 0.
    """
    import numpy as np

    n = len(x)
    same = (groups[:, None] == groups[None, :]) & ~np.eye(n, dtype=bool)
    centring = np.eye(n) - 1 / n
    a, b = (centring @ (np.eye(n) + intraclass_correlation(values, groups) * same) @ centring for values in (x, y))
    return float(1 + np.trace(a) * np.trace(b) / np.trace(a @ b))


def intraclass_correlation(values: np.ndarray, groups: np.ndarray) -> float:
    """Correlation of two values of one group, by analysis of variance (Fisher 1925; Donner 1986 for groups of unequal
    size); 0 where it is negative, or where no group has two values."""
    import numpy as np

    sizes = np.bincount(groups)
    n, count = len(values), len(sizes)
    if n == count or count < 2:
        return 0.0
    means = np.bincount(groups, weights=values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (count - 1)
    within = float(((values - means[groups]) ** 2).sum()) / (n - count)
    size = float(n - (sizes**2).sum() / n) / (count - 1)
    total = between + (size - 1) * within
    return max(0.0, (between - within) / total) if total else 0.0


def _p_value(value: float, m: float) -> float:
    """Two-sided p-value of a correlation over m independent points."""
    from scipy.stats import t

    if m <= 2:
        return 1.0
    if abs(value) > 1 - 1e-12:
        return 0.0
    return float(2 * t.sf(abs(value) * sqrt((m - 2) / (1 - value**2)), m - 2))
