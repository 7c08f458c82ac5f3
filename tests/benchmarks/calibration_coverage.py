"""Coverage of the intervals of the expected calibration error: `python -m tests.benchmarks.calibration_coverage`.

Three labels with probabilities softmax(z), z normal with standard deviation 2; the model says softmax(factor * z). The
true error is that of two million examples.
"""

from __future__ import annotations

import numpy as np

from xrobust.metrics.bootstrap import bootstrap_intervals
from xrobust.metrics.calibration import BINS, ExpectedCalibrationError, bins
from xrobust.metrics.calls import values_of
from xrobust.metrics.intervals import level_intervals

FACTORS = (1.0, 1.15, 1.5, 2.5)
SIZES = (40, 200, 500, 2000)
SETS = 300
ECE = ExpectedCalibrationError()


def drawn(rng: np.random.Generator, n: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidence, and 1 where the label is right, of n examples: float64 (n,) each."""
    z = rng.normal(0, 2, (n, 3))
    highest = [1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1) for scaled in (z, factor * z)]
    return highest[1], (rng.random(n) < highest[0]).astype(float)


def statistics(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The metric's statistics, without an object for each prediction."""
    rows = np.zeros((len(right), 3, BINS))
    at = bins(confidence.astype(np.float32))
    for column, values in enumerate((1.0, right, confidence)):
        rows[np.arange(len(right)), column, at] = values
    return rows.reshape(len(right), -1)


def main() -> None:
    """Prints a line for each size of a test set and each factor."""
    rng = np.random.default_rng(0)
    for factor in FACTORS:
        sums = sum(statistics(*drawn(rng, 100_000, factor)).sum(axis=0) for _ in range(20))
        true = float(ECE.score(np.asarray(sums))[0])
        for n in SIZES:
            sets = [statistics(*drawn(rng, n, factor)) for _ in range(SETS)]
            mean = np.mean([values_of(ECE, rows)[0] for rows in sets])
            covered = [
                np.mean([low <= true <= high for ((low, high),) in (method(ECE, rows) for rows in sets)])
                for method in (level_intervals, bootstrap_intervals)
            ]
            print(
                f"true {100 * true:.1f}, n = {n}: mean score {100 * mean:.1f}, coverage "
                f"{100 * covered[0]:.0f}% by formula, {100 * covered[1]:.0f}% by bootstrap"
            )


if __name__ == "__main__":
    main()
