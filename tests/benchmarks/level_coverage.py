"""How often the intervals of scores and drops hold the true value: `python -m tests.benchmarks.level_coverage`.

Behind the tables in docs/intervals.md; an hour on one core. `--examples N` computes one size alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, multinomial, norm

from xrobust.metrics import Accuracy, Metric, SpanF1, drop_intervals, score_rows
from xrobust.metrics.calls import score_of

from .level_samples import KINDS, SPANS, Design, sample

REPLICATIONS = 2000
SIZES = (10, 30, 100, 1000)
DRAWS = 1000
BATCH = 100
LEVELS = (0.3, 0.5, 0.7, 0.9, 0.97)
SPAN_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
WITHIN = (0.0, 0.2, 0.6)
DROPS = ((0.95, 0.95), (0.5, 0.5), (0.9, 0.85), (0.8, 0.4), (0.97, 0.7), (0.3, 0.1))
BETWEEN = (0.0, 0.5, 0.95)
GRID = np.concatenate([np.geomspace(1e-5, 0.01, 300), np.linspace(0.01, 0.99, 4001), 1 - np.geomspace(1e-5, 0.01, 300)])
"""True accuracies at which coverage is computed exactly."""
CHANGES = np.concatenate([[0], np.geomspace(1e-4, 0.02, 12), np.linspace(0.03, 0.99, 40)])
"""True shares of examples that a change makes wrong, and right."""


class Rates(NamedTuple):
    """Shares of intervals that hold the truth, and mean widths: of the metric's method and of the bootstrap's."""

    covered: float
    width: float
    bootstrap_covered: float
    bootstrap_width: float


def level_designs(kind: str) -> list[Design]:
    """Levels of one kind."""
    within = (0.0,) if kind == "accuracy" else WITHIN
    return [Design(kind, *pair) for pair in product(SPAN_LEVELS if kind in SPANS else LEVELS, within)]


def drop_designs(kind: str) -> list[Design]:
    """Drops of one kind: none, small and large."""
    within = (0.2,) if kind == "accuracy" else WITHIN[1:]
    return [Design(kind, before, w, after, b) for (before, after), w, b in product(DROPS, within, BETWEEN)]


def measure(design: Design, n: int, replications: int, seed: int = 0, *, bootstrap: bool = True) -> Rates:
    """Coverage and width over simulated test sets of n examples."""
    rng = np.random.default_rng(seed)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    metric = metric_of(design)
    found = []
    for begin in range(0, replications, BATCH):
        sides = sample(design, n, min(BATCH, replications - begin), rng)
        ours = np.array([interval(metric, *(side[r] for side in sides)) for r in range(len(sides[0]))])
        theirs = percentile_bootstrap(metric, draws, sides) if bootstrap else np.full_like(ours, np.nan)
        found.append(np.concatenate([ours, theirs], axis=1))
    low, high, low_drawn, high_drawn = np.concatenate(found).T
    return Rates(
        holds(low, high, design.truth),
        float((high - low).mean()),
        holds(low_drawn, high_drawn, design.truth),
        float((high_drawn - low_drawn).mean()),
    )


def metric_of(design: Design) -> Metric:
    """The metric that a kind of test set is scored by."""
    return SpanF1() if design.kind in SPANS else Accuracy()


def interval(metric: Metric, *sides: np.ndarray) -> tuple[float, float]:
    """The interval of the first output, of a level or of a drop."""
    if len(sides) == 1:
        found = score_rows(metric, sides[0])[0]
        return found.ci_low, found.ci_high
    return drop_intervals(metric, *sides)[0]


def percentile_bootstrap(metric: Metric, draws: np.ndarray, sides: list[np.ndarray]) -> np.ndarray:
    """Percentile intervals of the first output, (replications, 2), all by the same draws."""
    values = [score_of(metric, np.einsum("dn,rnk->rdk", draws, side, optimize=True))[..., 0] for side in sides]
    drawn = values[0] - values[1] if len(values) == 2 else values[0]
    return np.percentile(drawn, [2.5, 97.5], axis=1).T


def holds(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    """Share of intervals that hold the truth."""
    return float(((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean())


def exact_accuracy(n: int) -> np.ndarray:
    """Coverage of the interval of an accuracy over n examples at each accuracy of `GRID`, by the binomial."""
    metric, ones = Accuracy(), np.ones(n)
    ends = [interval(metric, np.stack([np.arange(n) < right, ones], axis=1).astype(float)) for right in range(n + 1)]
    return covered_exactly(n, np.array(ends))


def exact_wilson(n: int) -> np.ndarray:
    """Coverage of Wilson's interval, alike."""
    z, share = norm.ppf(0.975), np.arange(n + 1) / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return covered_exactly(n, np.stack([centre - half, centre + half], axis=1))


def covered_exactly(n: int, ends: np.ndarray) -> np.ndarray:
    """Coverage at each accuracy of `GRID` of intervals (n + 1, 2), one for each number of right examples."""
    right, truth = np.arange(n + 1), GRID[:, None]
    return (binom.pmf(right, n, truth) * ((ends[:, 0] <= truth) & (truth <= ends[:, 1]))).sum(axis=1)


def exact_drops(n: int) -> Iterator[tuple[float, float, float]]:
    """Coverage of the interval of a drop in accuracy over n examples, by the multinomial.

    Gives shares of examples that become wrong and right, and the coverage.
    """
    cells = np.array([(b, c, n - b - c) for b in range(n + 1) for c in range(n + 1 - b)])
    low, high = np.array([drop_of_counts(n, b, c) for b, c, _ in cells]).T
    for wrong, right in product(CHANGES, CHANGES):
        if wrong + right < 1:
            inside = (low <= wrong - right + 1e-12) & (wrong - right - 1e-12 <= high)
            yield wrong, right, float(multinomial.pmf(cells[inside], n, [wrong, right, 1 - wrong - right]).sum())


def drop_of_counts(n: int, wrong: int, right: int) -> tuple[float, float]:
    """The interval of the drop where so many of n examples become wrong, and so many right."""
    example = np.arange(n)
    before, after = example >= right, (example < right) | (example >= right + wrong)
    return interval(Accuracy(), *(np.stack([side, np.ones(n)], axis=1).astype(float) for side in (before, after)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, nargs="*", default=SIZES)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    chosen = parser.parse_args()
    for n in chosen.examples:
        for name, covered in (("ours", exact_accuracy(n)), ("Wilson", exact_wilson(n))):
            lowest = covered.argmin()
            print(f"exact accuracy n={n} {name}: lowest {covered[lowest]:.4f} at {GRID[lowest]:.4f}", flush=True)
        if n <= 100:
            wrong, right, covered_least = min(exact_drops(n), key=lambda found: found[2])
            print(f"exact drop n={n}: lowest {covered_least:.4f} at {wrong:.4f} {right:.4f}", flush=True)
    print("| | score | n | lowest | mean | width | bootstrap: lowest | mean | width | lowest at |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (what, designs), kind, n in product((("level", level_designs), ("drop", drop_designs)), KINDS, chosen.examples):
        found = [(design, measure(design, n, chosen.replications)) for design in designs(kind)]
        table = np.array([rates for _, rates in found])
        low, mean, width = table.min(axis=0), table.mean(axis=0), table.mean(axis=0)
        worst = found[int(table[:, 0].argmin())][0]
        print(
            f"| {what} | {kind} | {n} | {100 * low[0]:.1f} | {100 * mean[0]:.1f} | {100 * width[1]:.1f} | "
            f"{100 * low[2]:.1f} | {100 * mean[2]:.1f} | {100 * width[3]:.1f} | {worst} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
