"""Tuning of every method on the source dev set, with equally many trials each: where the defaults come from.

    python -m tests.benchmarks.tuning --data-dir DATA --model MODEL --output tuning --task wikiann

Prints the best score on the source dev set of each trial, by seed, and the best trial of each method by their mean.
No target language is looked at. All trials have the same budget: optimiser steps, batch size and looks at the dev set.
Runs that are in the output folder already are not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import table
from xrobust import RunSpec, run

TRIALS = 6

RATES = (5e-4, 1e-3)


def trials() -> dict[str, list[dict[str, Any]]]:
    """Method -> its trials: parameters of the method, and `learning_rate`."""
    small = [{"learning_rate": rate} for rate in (1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2)]
    return {
        "vanilla": [{"learning_rate": rate} for rate in (2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3)],
        "adversarial": [{"epsilon": e, "learning_rate": rate} for e in (0.003, 0.01, 0.03) for rate in RATES],
        "rs_random": [{"epsilon": e, "learning_rate": rate} for e in (0.3, 0.6, 1.0) for rate in RATES],
        "rs_aug": [
            {"mode": mode, "learning_rate": rate} for mode in ("copies", "fresh") for rate in (3e-4, 5e-4, 1e-3)
        ],
        "lora": small,
        "adapter": small,
        "peft": [{"learning_rate": rate} for rate in (2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)],
    }


def dev_score(options: argparse.Namespace, method: str, trial: dict[str, Any], seed: int) -> float:
    """The best score on the source dev set of one run."""
    params = {name: value for name, value in trial.items() if name != "learning_rate"}
    spec = RunSpec(
        task=options.task,
        method=method,
        method_params=params,
        model=options.model,
        data_dir=options.data_dir,
        output=options.output,
        languages=("en",),
        limit=options.limit,
        seed=seed,
        keep_checkpoints="none",
        offline=True,
        training={
            "max_steps": options.steps,
            "select_every": options.steps // 4,
            "learning_rate": trial["learning_rate"],
        },
    )
    training = run(spec).training
    assert training is not None
    return max(point.value for point in training.dev)


def main() -> None:
    """Runs all trials and prints their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--methods", nargs="+", default=list(trials()))
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rows, best = [], {}
    for method in options.methods:
        assert len(trials()[method]) == TRIALS
        for trial in trials()[method]:
            scores = [dev_score(options, method, trial, seed) for seed in options.seeds]
            mean = sum(scores) / len(scores)
            name = ", ".join(
                f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in trial.items()
            )
            rows.append([method, name, *(f"{100 * score:.2f}" for score in scores), f"{100 * mean:.2f}"])
            print(" | ".join(rows[-1]), flush=True)
            if method not in best or mean > best[method][0]:
                best[method] = (mean, name)
    print(table(["method", "trial", *(f"seed {seed}" for seed in options.seeds), "mean"], rows))
    print(table(["method", "best trial", "mean"], [[m, name, f"{100 * mean:.2f}"] for m, (mean, name) in best.items()]))


if __name__ == "__main__":
    main()
