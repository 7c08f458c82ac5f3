"""How often the intervals and tests of `xrobust compare` are right: `python -m tests.benchmarks.comparison_coverage`.

Runs are simulated (tests/benchmarks/comparison_model.py). Behind the table in docs/comparing.md. `--quick` has fewer
designs and replications.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from . import comparison_others as others
from .comparison_inference import (
    Comparison,
    Estimates,
    Scored,
    check,
    compare,
    comparisons,
    examples_of_average,
    examples_of_languages,
    level,
    mean_influence,
)
from .comparison_model import EXAMPLES_DOMINATE, METRICS, SEEDS_DOMINATE, Design, Runs, Simulation
from .comparison_tables import by_design, worst

REPLICATIONS, QUICK = 4000, 400
BATCH = 30_000
"""Examples of a batch of replications, in all languages: as many as the processor's cache likes."""
SIZES = ((2, 500), (10, 100), (40, 50))
"""Languages and examples of each, with every metric."""
MORE_SIZES = ((2, 50), (2, 1000), (10, 400))
"""More, with accuracy."""
SHARED_SEEDS = 0.7

Rates = dict[tuple[str, str], np.ndarray]
"""By version ("alike", "unlike") and what is counted: (replications, comparisons)."""


def designs(quick: bool) -> list[Design]:
    """All designs."""
    regimes, sets = (SEEDS_DOMINATE, EXAMPLES_DOMINATE), (True, False)
    found = [Design(r, m, p, *size) for r, m, p, size in product(regimes, METRICS, sets, SIZES)]
    found += [Design(r, "accuracy", True, *SIZES[1], shared_seeds=SHARED_SEEDS) for r in regimes]
    return found if quick else found + [Design(r, "accuracy", p, *s) for r, p, s in product(regimes, sets, MORE_SIZES)]


def measure(design: Design, replications: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rates of a design, one record for each number of seeds; of each rate [share, standard error of simulation]."""
    rng = np.random.Generator(np.random.SFC64(seed))
    simulation = Simulation(design, rng)
    size = min(replications, max(4, BATCH // (design.languages * design.examples)))
    collected: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for first in range(0, replications, size):
        for key, values in _Batch(design, simulation.draw(size), rng).rates(first == 0).items():
            collected[key].append(values)
    return _records(design, {key: np.concatenate(values) for key, values in collected.items()})


@dataclass(frozen=True)
class _Batch:
    """Some replications of a design."""

    design: Design
    runs: dict[str, tuple[Runs, Runs]]
    rng: np.random.Generator

    def rates(self, checked: bool) -> Rates:
        """Where intervals do not hold the truth, of the two versions of B; where other tests reject what is true."""
        chosen = comparisons(self._paired)
        scored = {version: [Scored(*r.score_and_influence()) for r in runs] for version, runs in self.runs.items()}
        found: Rates = {}
        for version in ("alike", "unlike"):
            difference = self.design.truths[version] - self.design.truths["A"]
            truths = {"average": difference[0].mean(), "single": difference[0][:, None]}
            truths["drop"] = (difference[0] - difference[1]).mean()
            estimates = self._estimates(scored["A"], scored[version], chosen)
            for target, estimate in estimates.items():
                found |= _missed(version, target, estimate, truths[target])
            if version == "alike":
                found |= _of_average(estimates["average"])
                found |= self._others(scored, estimates["single"], chosen)
                if checked:
                    check(self.design, self.runs["A"][:1], self.runs[version][:1], estimates["average"])
                    check(self.design, self.runs["A"], self.runs[version], estimates["drop"])
        moved = mean_influence(scored["A"][0].influence, [c.a for c in chosen])
        of_level = level(_mean(scored["A"][0]), examples_of_average(moved, self.design.parallel), chosen)
        return found | _missed("unlike", "level", of_level, self.design.truths["A"][0].mean())

    @property
    def _paired(self) -> bool:
        return bool(self.design.shared_seeds)

    def _estimates(self, a: Sequence[Scored], b: Sequence[Scored], chosen: list[Comparison]) -> dict[str, Estimates]:
        found = {}
        for target, here, there in (("average", a[0], b[0]), ("drop", a[0] - a[1], b[0] - b[1])):
            moved = _difference(here, there, chosen)
            examples = examples_of_average(moved, self.design.parallel)
            found[target] = compare(_mean(here), _mean(there), examples, chosen, self._paired)
            if target == "average":
                examples = examples_of_languages(moved)
                found["single"] = compare(here.values, there.values, examples, chosen, self._paired)
        return found

    def _others(self, scored: dict[str, list[Scored]], singles: Estimates, chosen: list[Comparison]) -> Rates:
        a, b = scored["A"][0], scored["alike"][0]
        found = {
            "t over languages": others.t_over_languages(singles.estimate),
            "pooled sentences": others.pooled_sentences(singles.estimate, _difference(a, b, chosen)),
            "bootstrap": others.bootstrap(a, b, chosen, self.design.parallel, self.rng),
        }
        if self.design.metric == "accuracy":
            right = (self.runs[version][0].right[:, :, 0] for version in ("A", "alike"))
            found["McNemar"] = np.repeat(others.mcnemar(*right)[:, None], len(chosen), axis=1)
        return {("alike", name): rejected for name, rejected in found.items()}


def _mean(scored: Scored) -> np.ndarray:
    return scored.values.mean(axis=1, keepdims=True)


def _difference(a: Scored, b: Scored, chosen: Sequence[Comparison]) -> np.ndarray:
    return mean_influence(b.influence, [c.b for c in chosen]) - mean_influence(a.influence, [c.a for c in chosen])


def _missed(version: str, target: str, estimates: Estimates, truth: np.ndarray | float) -> Rates:
    return {
        (version, target): estimates.rejects(truth, estimates.df).mean(axis=1),
        (version, f"{target}, Welch"): estimates.rejects(truth, estimates.welch).mean(axis=1),
    }


def _of_average(average: Estimates) -> Rates:
    """What is told of the average besides, where the methods are alike."""
    found = {"estimate": average.estimate, "variance": average.error**2, "df": average.df}
    found |= {"half width": average.half_width(average.df), "detectable": average.detectable()}
    return {("alike", name): values[:, 0] for name, values in found.items()}


def _powers(estimate: np.ndarray, half_width: np.ndarray, detectable: np.ndarray) -> dict[str, list[float]]:
    """How often a difference is shown that is as large as what could be shown: as another replication says; the median.

    Estimates are those of methods that are alike, (replications, comparisons); the difference is added to them.
    """
    sizes = {"of another": np.roll(detectable, 1, axis=0), "of the median": np.median(detectable)}
    return {name: _share(np.abs(estimate + size) > half_width) for name, size in sizes.items()}


def _records(design: Design, found: Rates) -> list[dict[str, Any]]:
    labels = [c.label for c in comparisons(bool(design.shared_seeds))]
    records = []
    for label in dict.fromkeys(labels):
        columns = [k for k, name in enumerate(labels) if name == label]
        of_label = {key: values[:, columns] for key, values in found.items()}
        told = ("estimate", "variance", "df", "half width", "detectable")
        shares = {key: _share(values) for key, values in of_label.items() if key[1] not in told}
        estimate, variance, df, half_width, detectable = (of_label["alike", name] for name in told)
        records.append(
            {
                "regime": design.regime.name,
                "metric": design.metric,
                "test sets": "parallel" if design.parallel else "unrelated",
                "languages": design.languages,
                "examples": design.examples,
                "paired seeds": bool(design.shared_seeds),
                "seeds": label,
                "not covered": {name: share for (version, name), share in shares.items() if version == "unlike"},
                "rejected": {name: share for (version, name), share in shares.items() if version == "alike"},
                "power": _powers(estimate, half_width, detectable),
                "df, median": float(np.median(df)),
                "df, mean": float(df.mean()),
                "mean variance over true": float(variance.mean() / estimate.var(axis=0).mean()),
            }
        )
    return records


def _share(values: np.ndarray) -> list[float]:
    """Share, and its standard error over replications."""
    of_replications = values.mean(axis=1)
    return [float(of_replications.mean()), float(of_replications.std() / np.sqrt(len(of_replications)))]


def main(clock: Callable[[], float] = time.monotonic) -> None:
    """Measures all designs; prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"fewer designs, and {QUICK} replications")
    parser.add_argument("--replications", type=int, help=f"{REPLICATIONS} by default")
    parser.add_argument("--json", type=Path, help="write all rates to this file")
    options = parser.parse_args()
    replications = options.replications or (QUICK if options.quick else REPLICATIONS)
    start, records = clock(), []
    for number, design in enumerate(designs(options.quick)):
        records += measure(design, replications, seed=number)
        print(f"{clock() - start:5.0f} s  {design}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"replications": replications, "records": records}, indent=1) + "\n")
    print(by_design(records), worst(records), sep="\n\n")


if __name__ == "__main__":
    main()
