"""The radius of the noise methods, chosen on the source dev set: how the defaults came about.

    python -m tests.benchmarks.noise_sweep --data ../shared/data --model ../shared/models/xmini --output sweep

Prints a table of the best English dev score of each configuration, mean over seeds. No target language is looked at:
only English is scored. Runs that are in the output folder already are not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xrobust import RunSpec, run

RANDOM_EPSILONS = (0.03, 0.1, 0.3, 1.0)
ADVERSARIAL_EPSILONS = (0.003, 0.01, 0.03, 0.1)
"""The worst offset in a ball does what a random one does in a ball ten times as wide."""


def configurations() -> list[tuple[str, dict[str, object]]]:
    """(method, parameters), vanilla first."""
    return [
        ("vanilla", {}),
        *(("rs_random", {"epsilon": e}) for e in RANDOM_EPSILONS),
        *(("adversarial", {"epsilon": e, "steps": steps}) for e in ADVERSARIAL_EPSILONS for steps in (1, 3)),
    ]


def main() -> None:
    """Runs the sweep and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["wikiann", "pos"])
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()

    print("| " + " | ".join(["method", *options.tasks]) + " |")
    print("|---" * (1 + len(options.tasks)) + "|", flush=True)
    for method, params in configurations():
        cells = []
        for task in options.tasks:
            values = []
            for seed in options.seeds:
                spec = RunSpec(
                    task=task,
                    method=method,
                    method_params=dict(params),
                    model=options.model,
                    data_dir=options.data,
                    output=options.output,
                    languages=("en",),
                    limit=options.limit,
                    seed=seed,
                    keep_checkpoints="none",
                    training={"epochs": 2, "learning_rate": 5e-4},
                )
                training = run(spec).training
                assert training is not None
                values.append(max(point.value for point in training.dev))
            cells.append(" ".join(f"{100 * v:.2f}" for v in values) + f" (mean {100 * sum(values) / len(values):.2f})")
        name = " ".join([method, *(f"{k}={v}" for k, v in params.items())])
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
