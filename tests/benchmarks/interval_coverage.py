"""How often 95% intervals of a correlation hold the true value: `python -m tests.benchmarks.interval_coverage`.

Behind the choice of intervals in xrobust/analysis/correlation.py. About two minutes on one core.
"""

from __future__ import annotations

from math import atanh, sqrt, tanh

import numpy as np
import scipy.stats

SAMPLES, DRAWS = 1000, 600
LARGE = 1_000_000


def normal(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Both normal."""
    x = rng.normal(size=n)
    return x, 0.7 * x + rng.normal(size=n)


def genetic(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """As genetic distances from English are: most languages at 1, the others somewhere below."""
    x = np.where(rng.random(n) < 0.55, 1.0, rng.uniform(0.6, 0.95, n))
    return x, 0.7 * (x - 0.85) / 0.15 + rng.normal(size=n)


def skewed(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Both with a few very large values."""
    x = rng.lognormal(size=n)
    return x, 0.7 * x + rng.lognormal(size=n)


def rows_r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each row, nan where a row is constant. Shape (draws, n) twice to (draws,)."""
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    with np.errstate(all="ignore"):
        return (x * y).sum(1) / np.sqrt((x * x).sum(1) * (y * y).sum(1))


def z_interval(value: float, error: float) -> tuple[float, float]:
    z = atanh(min(max(value, -0.999999), 0.999999))
    return tanh(z - 1.96 * error), tanh(z + 1.96 * error)


def main() -> None:
    rng = np.random.default_rng(0)
    print("data      n  Fisher z  bootstrap | rho: Fieller  Bonett-Wright  bootstrap")
    for kind in (normal, genetic, skewed):
        x, y = kind(rng, LARGE)
        true_r, true_rho = np.corrcoef(x, y)[0, 1], scipy.stats.spearmanr(x, y).statistic
        for n in (7, 14, 28):
            held = np.zeros(5)
            for _ in range(SAMPLES):
                x, y = kind(rng, n)
                if len(set(x)) == 1:
                    continue
                r, rho = np.corrcoef(x, y)[0, 1], scipy.stats.spearmanr(x, y).statistic
                again = rng.integers(n, size=(DRAWS, n))
                ranked = [scipy.stats.rankdata(values[again], axis=1) for values in (x, y)]
                intervals = [
                    z_interval(r, 1 / sqrt(n - 3)),
                    tuple(np.nanpercentile(rows_r(x[again], y[again]), [2.5, 97.5])),
                    z_interval(rho, sqrt(1.06 / (n - 3))),
                    z_interval(rho, sqrt((1 + rho**2 / 2) / (n - 3))),
                    tuple(np.nanpercentile(rows_r(*ranked), [2.5, 97.5])),
                ]
                truths = (true_r, true_r, true_rho, true_rho, true_rho)
                held += [low <= true <= high for (low, high), true in zip(intervals, truths, strict=True)]
            print(
                f"{kind.__name__:8} {n:2}  " + "  ".join(f"{100 * share / SAMPLES:5.1f}" for share in held), flush=True
            )


if __name__ == "__main__":
    main()
