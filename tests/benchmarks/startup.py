"""Start-up: the quick commands, and from a command to its first training step, beside what the libraries alone take.

    python -m tests.benchmarks.startup --data ../shared/data --model ../shared/models/xmini

Each round runs all commands once, one after the other, so that whatever else the machine does falls on all alike; the
medians of the rounds are shown, in seconds of the clock and, since another's work on the machine does not count there,
of processor time. `imports` is `import torch, transformers, accelerate`; `libraries` is that, and the classes of the
model and of the optimiser, which transformers and torch import when they are first used. Caches are warm: a run before
the first round fills them. Prints tables, and writes build/bench/startup.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TASKS = ("pos", "wikiann", "xnli", "pawsx")
IMPORTS = "import torch, transformers, accelerate"
LIBRARIES = """
{imports}
config = transformers.AutoConfig.from_pretrained({model!r})
transformers.AutoTokenizer.from_pretrained({model!r})
with torch.device("meta"):
    model = transformers.AutoModelForTokenClassification.from_config(config)
torch.optim.AdamW(model.parameters())
"""
FIRST_STEP = """
import os

from xrobust import hookimpl


@hookimpl
def step_finished():
    os._exit(0)
"""
"""A plugin file: an observer that ends the process after the first logged step."""


def commands(options: argparse.Namespace, work: Path) -> dict[str, list[str]]:
    """Name -> command."""
    python = [sys.executable, "-c"]
    found = {
        "--help": [sys.executable, "-m", "xrobust", "--help"],
        "list": [sys.executable, "-m", "xrobust", "list"],
        "imports": [*python, IMPORTS],
        "libraries": [*python, LIBRARIES.format(imports=IMPORTS, model=options.model)],
    }
    for task in options.tasks:
        output = str(work / f"runs-{task}")
        (work / "first_step.py").write_text(FIRST_STEP)
        run = ["run", "--task", task, "--model", options.model, "--data-dir", str(options.data), "--output", output]
        # The last step is logged, and only each 20th of those before it.
        ends = ["--plugin", str(work / "first_step.py"), "--set", "training.max_steps=1"]
        found[task] = [sys.executable, "-m", "xrobust", *run, "--offline", *ends]
    return found


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the clock and of processor time that a command takes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measures all commands in turn and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/bench/startup.json"))
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="xrobust-startup-") as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder) / "cache")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        cold = {}
        for name, command in commands(options, Path(folder)).items():
            cold[name] = measured(command, environment)
        for _ in range(options.rounds):
            for name, command in commands(options, Path(folder)).items():
                found.setdefault(name, []).append(measured(command, environment))
    rows: dict[str, Any] = {}
    for name, values in found.items():
        clock, processor = (statistics.median(column) for column in zip(*values, strict=True))
        rows[name] = {
            "clock": clock,
            "processor": processor,
            "first_time_processor": cold[name][1],
        }
    print("| command | seconds | processor seconds (p. s.) | the first time | beyond imports | beyond libraries |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        beyond = [
            f"{row['processor'] - rows[base]['processor']:.2f}" if name in options.tasks else ""
            for base in ("imports", "libraries")
        ]
        print(
            f"| {name} | {row['clock']:.2f} | {row['processor']:.2f} | {row['first_time_processor']:.2f} "
            f"| {beyond[0]} | {beyond[1]} |"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps({"rounds": options.rounds, "load": os.getloadavg(), "measured": rows}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
