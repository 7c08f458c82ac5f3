"""Frozen figures: what a change of the code's structure must not change.

    python -m tests.benchmarks.frozen --write tests/frozen/weights.json    # after a change that is to change weights
    python -m tests.benchmarks.frozen --check tests/frozen/weights.json

Trains every built-in method for a few steps on one and on two processes, and takes the sha256 of the weights that each
run saved. On another type of processor, or with other versions of the libraries, the last bits of weights may differ,
so a file holds the figures of several machines: `--write` adds this one's, and `--check` says so where it has none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

METHODS = ("vanilla", "adversarial", "rs_random", "rs_aug", "lora", "adapter", "peft", "rs_random+lora")
TASKS = ("wikiann", "xnli")
SETTINGS = ("--limit", "48", "--languages", "en", "--set", "training.max_steps=4", "--set", "training.batch_size=8")


def machine() -> str:
    """What weights depend on besides the run: the processor's type and the libraries' versions."""
    import torch

    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "tokenizers"))
    return f"{names[0] if names else 'unknown'}, {torch.backends.cpu.get_cpu_capability()}, {packages}"


def weights(task: str, method: str, processes: int, output: Path) -> str:
    """sha256 over the weight files of one short run."""
    command = [sys.executable, "-m", "xrobust", "run", "--preset", "mini", "--task", task, "--method", method]
    command += [*SETTINGS, "--output", str(output), "--num-processes", str(processes)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    total = hashlib.sha256()
    for path in sorted(output.glob("*/*/*/model/*.safetensors")):
        total.update(path.read_bytes())
    return total.hexdigest()


def measured() -> dict[str, str]:
    """`task method processes` -> sha256."""
    found = {}
    for task in TASKS:
        for method in METHODS:
            for processes in (1, 2):
                with tempfile.TemporaryDirectory() as folder:
                    found[f"{task} {method} {processes}"] = weights(task, method, processes, Path(folder))
                    print(task, method, processes, found[f"{task} {method} {processes}"][:16], flush=True)
    return found


def main() -> int:
    """Writes or checks the figures of this machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--check", type=Path, metavar="FILE")
    options = parser.parse_args()
    file = options.write or options.check
    if file is None:
        parser.error("give --write FILE or --check FILE")
    known = json.loads(file.read_text()) if file.exists() else {}
    if options.check and machine() not in known:
        print(f"{file} has no figures of this machine: {machine()}")
        return 1
    found = measured()
    if options.write:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**known, machine(): found}, indent=1, sort_keys=True) + "\n")
        return 0
    differing = sorted(name for name in found if found[name] != known[machine()].get(name))
    print(f"{len(found) - len(differing)} of {len(found)} equal" + "".join(f"\ndiffers: {name}" for name in differing))
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
