"""Peak memory of `rs_aug` with ten copies beside plain fine-tuning, and what the encoding cache takes on the disk.

    python -m tests.benchmarks.memory --data ../shared/data --model ../shared/models/xmini

Each is a process of its own with an empty cache, and again with the cache that it left. It trains some steps, looks at
the dev set and scores English: the peak is `ru_maxrss` of the whole process, mapped pages that were read included. Two
runs that do the same differ by up to a tenth, for the allocator cuts memory into pieces of other sizes each time, so
medians of several are compared, taken in turn. Prints a table, and writes build/bench/memory.json.
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
from pathlib import Path
from typing import Any

COPIES = 10
PARTS = {"vanilla": {}, "rs_aug": {"copies": COPIES}}


def measure(task: str, method: str, options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """One run in a process of its own: its peak resident memory, in MB, and the size of the cache afterwards."""
    cache = work / f"cache-{task}-{method}"
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--child", task, method, str(work / "runs")]
    command += ["--data", str(options.data), "--model", options.model, "--steps", str(options.steps)]
    done = subprocess.run(
        command, env={**os.environ, "XDG_CACHE_HOME": str(cache)}, stdout=subprocess.PIPE, text=True, check=True
    )
    disk = sum(file.stat().st_size for file in (cache / "xrobust" / "encoded").rglob("*") if file.is_file())
    return {**json.loads(done.stdout.splitlines()[-1]), "cache_mb": disk / 1e6}


def child(task: str, method: str, output: str, options: argparse.Namespace) -> None:
    """The run, and its peak on the last line of the output."""
    from xrobust import RunSpec, run

    spec = RunSpec(
        task=task,
        method=method,
        method_params=PARTS[method],
        model=options.model,
        data_dir=options.data,
        output=Path(output),
        languages=("en",),
        keep_checkpoints="none",
        force=True,
        training={"max_steps": options.steps, "select_every": options.steps},
    )
    result = run(spec)
    assert result.training is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": peak, "examples": result.training.budget.examples}))


def one_round(task: str, options: argparse.Namespace) -> dict[tuple[str, str], dict[str, float]]:
    """Both methods with an empty cache, and both again: (state, method) -> what was measured."""
    with tempfile.TemporaryDirectory(prefix="xrobust-memory-") as folder:
        return {
            (state, method): measure(task, method, options, Path(folder))
            for state in ("empty", "warm")
            for method in PARTS
        }


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tasks", nargs="+", default=["wikiann", "pawsx"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("build/bench/memory.json"))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child, options)
        return
    found = []
    print("| task | cache | vanilla, MB | rs_aug with 10 copies, MB | ratio | cache of vanilla, MB | of rs_aug, MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for task in options.tasks:
        rounds = [one_round(task, options) for _ in range(options.rounds)]
        for state in ("empty", "warm"):
            plain, copies = (
                {key: statistics.median(r[state, method][key] for r in rounds) for key in rounds[0][state, method]}
                for method in PARTS
            )
            ratio = copies["peak_mb"] / plain["peak_mb"]
            found.append({"task": task, "cache": state, "vanilla": plain, "rs_aug": copies, "ratio": ratio})
            print(
                f"| {task} | {state} | {plain['peak_mb']:.0f} | {copies['peak_mb']:.0f} | {ratio:.3f} "
                f"| {plain['cache_mb']:.1f} | {copies['cache_mb']:.1f} |",
                flush=True,
            )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"copies": COPIES, "steps": options.steps, "measured": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
