"""Inference from a few seeds and many examples: intervals and tests of a mean over languages.

The quantity is a mean over a fixed set of languages, for new seeds and new examples. Its variance is that of the mean
over seeds plus that of the test sets, in which an id that several languages have (parallel test sets) is one draw:

    V = s2_A / S_A + s2_B / S_B + V_ex
    V_ex = C / (C - 1) * sum_c (u_c - mean u)^2,   u_c = sum_{(l, i) in c} d_{l, i} / (L n_l)

with S seeds of variance s2; d_{l, i} the difference between the two sides in the influence of example i of language l,
averaged over seeds; c one of C ids. Degrees of freedom by Welch (1947) and Satterthwaite (1946); ids as clusters by
Liang and Zeger (1986). docs/comparing.md has the simulations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
POWER = 0.8
FEWEST_SEEDS = 2
"""With fewer seeds on a side nothing is known of the spread between seeds, and no method is tested."""
FEW_SEEDS = 5
"""With fewer seeds on a side an estimate is marked."""


@dataclass(frozen=True)
class Side:
    """Scores of the repetitions of one setting, on the same test sets as those of the other side."""

    values: np.ndarray
    """float64 (seeds, languages): the score of each."""
    influence: tuple[np.ndarray, ...]
    """A language each: float64 (examples,), the influence of its examples, averaged over seeds."""

    def some(self, languages: Sequence[int]) -> Side:
        """Scores and influences of some of the languages."""
        return Side(self.values[:, list(languages)], tuple(self.influence[i] for i in languages))


@dataclass(frozen=True)
class Part:
    """An independent part of an estimate's variance."""

    variance: float
    df: float


@dataclass(frozen=True)
class Inference:
    """Interval and test of an estimate of which zero is the null hypothesis."""

    standard_error: float
    df: float
    """Degrees of freedom by Welch and Satterthwaite."""
    low: float
    high: float
    """95% interval by Student's t."""
    p: float
    """Two-sided."""
    detectable: float
    """See `detectable_value`; for a single test at 5%."""


def seed_part(values: np.ndarray) -> Part:
    """Variance of the mean over seeds: from (seeds, languages), of the means over languages. Needs two seeds."""
    means = values.mean(axis=1)
    return Part(float(means.var(ddof=1)) / len(means), len(means) - 1)


def example_part(influence: Sequence[np.ndarray], clusters: Sequence[np.ndarray]) -> Part | None:
    """Variance of a mean over languages that comes from the choice of test examples: V_ex above.

    Args:
        influence: a language each, float64 (examples,).
        clusters: a language each, int (examples,): a number for each id, equal where ids are.

    Returns None for fewer than two ids, which say nothing of a variance.
    """
    present = np.unique(np.concatenate(list(clusters)))
    count = len(present)
    if count < 2:
        return None
    sums = cluster_sums(influence, clusters)[present]
    return Part(count / (count - 1) * float(((sums - sums.mean()) ** 2).sum()), count - 1)


def cluster_sums(influence: Sequence[np.ndarray], clusters: Sequence[np.ndarray]) -> np.ndarray:
    """u_c above: the influence of each id on the mean over languages, float64 (highest cluster number + 1,)."""
    size = 1 + max(int(c.max()) for c in clusters)
    sums = np.zeros(size)
    for values, numbers in zip(influence, clusters, strict=True):
        sums += np.bincount(numbers, weights=values, minlength=size) / (len(influence) * len(values))
    return sums


def degrees_of_freedom(seeds: Sequence[Part], examples: Part) -> float:
    """Degrees of freedom of the sum of these parts, by Welch (1947) and Satterthwaite (1946), made safe for few seeds.

    Theirs are right where the variances are known. A variance of 2 or 3 seeds is often far too low by chance; then the
    examples' part seems to be all, the degrees of freedom many, and the interval, already too short, gets shorter. So
    the seeds' part counts more than it seems: (1 + 2 / df)^2 times, with df that of all seeds together; 4 times for 2
    seeds a side, 1.6 times for 5. Only the degrees of freedom are touched, and hardly where either part is alone.
    """
    found = array_degrees_of_freedom([(part.variance, part.df) for part in seeds], (examples.variance, examples.df))
    return float(found)


def array_degrees_of_freedom(
    seeds: Sequence[tuple[np.ndarray | float, np.ndarray | float]],
    examples: tuple[np.ndarray | float, np.ndarray | float],
) -> np.ndarray:
    """`degrees_of_freedom` of many estimates, from (variance, df) of each part; 1 where there is no variance."""
    weight = (1 + 2 / sum(np.asarray(df, dtype=float) for _, df in seeds)) ** 2
    parts = [*((weight * np.asarray(variance), df) for variance, df in seeds), examples]
    above = np.asarray(sum(np.asarray(variance) for variance, _ in parts), dtype=float) ** 2
    below = np.asarray(sum(np.asarray(variance) ** 2 / df for variance, df in parts), dtype=float)
    return np.divide(above, below, out=np.ones_like(above), where=below > 0)


def infer(estimate: float, seeds: Sequence[Part], examples: Part) -> Inference:
    """Interval, test and power of an estimate whose variance is the sum of these parts."""
    from scipy.stats import t

    error = math.sqrt(sum(part.variance for part in seeds) + examples.variance)
    if not error:  # such as a run beside itself
        p = 1.0 if estimate == 0 else 0.0
        return Inference(0.0, min(part.df for part in (*seeds, examples)), estimate, estimate, p, 0.0)
    df = degrees_of_freedom(seeds, examples)
    critical = float(t.ppf(1 - ALPHA / 2, df))
    return Inference(
        standard_error=error,
        df=df,
        low=estimate - critical * error,
        high=estimate + critical * error,
        p=float(2 * t.sf(abs(estimate) / error, df)),
        detectable=detectable_value(error, df),
    )


def detectable_value(error: float, df: float, alpha: float = ALPHA) -> float:
    """Smallest true value that a two-sided test would have told from zero with a probability of 80%.

    By the noncentral t distribution, if the variance is what it was found to be. Of m tests with Holm's method `alpha`
    is 0.05 / m, that of its first step: what is larger is found whatever the other tests give.
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    return float(nctdtrinc(df, 1 - POWER, t.ppf(1 - alpha / 2, df))) * error


def infer_level(side: Side, clusters: Sequence[np.ndarray]) -> Inference | None:
    """Inference on the mean of one side over languages. None with fewer than two seeds or ids."""
    examples = example_part(side.influence, clusters)
    if len(side.values) < FEWEST_SEEDS or examples is None:
        return None
    return infer(float(side.values.mean()), [seed_part(side.values)], examples)


def infer_difference(
    baseline: Side, other: Side, clusters: Sequence[np.ndarray], *, paired_seeds: bool = False
) -> Inference | None:
    """Inference on the mean of `other` minus that of `baseline`, over languages.

    Args:
        baseline, other: both sides, on the same examples of the same languages.
        clusters: a language each, int (examples,): a number for each id, equal where ids are.
        paired_seeds: True where row s of both sides has one seed, that decides the same things on both sides: then the
            variance over seeds is that of the differences.

    Returns None with fewer than two seeds on a side, or fewer than two ids.
    """
    difference = [b - a for a, b in zip(baseline.influence, other.influence, strict=True)]
    examples = example_part(difference, clusters)
    if min(len(baseline.values), len(other.values)) < FEWEST_SEEDS or examples is None:
        return None
    estimate = float(other.values.mean() - baseline.values.mean())
    if paired_seeds:
        return infer(estimate, [seed_part(other.values - baseline.values)], examples)
    return infer(estimate, [seed_part(baseline.values), seed_part(other.values)], examples)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): below alpha with a chance of at most alpha for any true null.

    Written out, for scipy adjusts for the false discovery rate only.
    """
    return [float(p) for p in array_holm(np.asarray(p_values, dtype=float))]


def array_holm(p_values: np.ndarray) -> np.ndarray:
    """`holm` of an array: (n,) to (n,)."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p_values), 0, -1) * p_values[order]))
    return adjusted


def improved_count(inferences: Sequence[tuple[float, Inference]]) -> int:
    """Lower bound on the number of languages that improve, with 95% confidence, whatever depends on whatever.

    The count by partial conjunction with Bonferroni's method of Dror et al. (TACL 2017, section 4): the largest u for
    which (n - v + 1) p_(v) <= 0.05 for all v <= u, of one-sided p-values in order; which is how many Holm's method
    rejects. `inferences` are a language each: the estimate, and the inference on it.
    """
    one_sided = [inf.p / 2 if estimate > 0 else 1 - inf.p / 2 for estimate, inf in inferences]
    return sum(p <= ALPHA for p in holm(one_sided))
