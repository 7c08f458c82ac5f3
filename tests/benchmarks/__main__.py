"""The benchmark: xrobust beside what a user would take instead, on this machine.

    python -m tests.benchmarks --data ../shared/data --model ../shared/models/xmini \
        --vocabulary ../shared/tokenizers/mbert/vocab.txt

Everything is a ratio of contenders that take turns in one process, medians over rounds. Figures go to
`build/bench/bench.json`, part by part as they come, and tables to `build/bench/tables.md`; parts that are not run now
keep the figures that they have. Without arguments it takes the bundled model and data, which need nothing.

Processes, memory and start-up time are measured by scripts of their own: `tests.benchmarks.scaling`, `.memory` and
`.startup`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import evaluation_speed, method_cost, padding, tables, training_speed
from tests.benchmarks.measuring import OUTPUT, machine, write
from tests.benchmarks.workload import TASKS, Workload, mbert_shape, workload

PARTS = ("padding", "training", "evaluation", "methods", "faster settings", "order")
MBERT = "mbert"
"""Name of the randomly initialised encoder of bert-base-multilingual-cased's shape."""


def measure(part: str, work: Workload, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part, of one task and encoder."""
    size = {"examples": options.examples, "rounds": options.rounds, "device": options.device}
    if part == "training":
        return training_speed.compare(work, training_speed.contenders(), **size)
    if part == "faster settings":
        return training_speed.compare(work, training_speed.faster_settings(), **size)
    if part == "methods":
        return method_cost.compare(work, **size)
    if part == "evaluation":
        return evaluation_speed.compare(work, **{**size, "examples": options.test_examples})
    if part == "padding":
        return padding.shares(work)
    return padding.dev_scores(
        work, options.data, limit=options.order_examples, epochs=3, rate=options.order_rate, seeds=3
    )


def main() -> None:
    """Runs what was asked for; writes after each piece of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", default="mini", help="folder in the XTREME layout, or a name of bundled data")
    parser.add_argument("--model", default="mini", help="a pre-trained encoder: folder or name")
    parser.add_argument("--vocabulary", help="vocab.txt of bert-base-multilingual-cased: its shape is measured too")
    parser.add_argument("--models", nargs="+", help=f"which of them: pretrained, {MBERT}; both by default")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--examples", type=int, default=1000, help="training examples")
    parser.add_argument("--test-examples", type=int, default=100, help="test examples of each language")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--order-examples", type=int, default=4000, help="training examples where scores are compared")
    parser.add_argument("--order-rate", type=float, default=5e-4, help="learning rate there")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()

    path = options.output / "bench.json"
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    models: dict[str, Callable[[], str]] = {"pretrained": lambda: options.model}
    if options.vocabulary:
        models[MBERT] = lambda: mbert_shape(options.vocabulary)
    for part in options.parts:
        for name in options.models or models:
            if name == MBERT and part == "order":  # which needs an encoder that can learn something
                continue
            for task in options.tasks:
                print(f"{part}, {name}, {task}", flush=True)
                figures = measure(part, workload(task, models[name](), options.data), options)
                key = name if options.device == "cpu" else f"{name} on {options.device}"
                document.setdefault(part, {}).setdefault(key, {})[task] = {
                    **figures,
                    "machine": machine(options.device),
                }
                write("bench", document, options.output)
                text = tables.all_tables(document)
                (options.output / "tables.md").write_text(text)
    print(tables.all_tables(document))


if __name__ == "__main__":
    main()
