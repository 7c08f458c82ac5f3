"""One experiment three ways: undisturbed, with the sweep killed in the middle, on a Ray cluster that loses a node.

    python -m tests.benchmarks.sweep_recovery --model MODEL --data DATA --folder FOLDER

{wikiann, pos, xnli} x {vanilla, adversarial, rs_random, rs_aug, rs_aug+lora} x 3 seeds on 200 rows: 45 runs each. The
three leaderboards must be the same but for times, memory and the documents' sums, which hold times. A way that was
measured before in FOLDER is taken as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from xrobust.results.experiment_index import experiment_folder

XROBUST = [sys.executable, "-P", "-m", "xrobust"]
WAYS = ("once", "killed", "ray")
RUNS = 45
OF_THE_HOST = re.compile(r"(seconds|updated|peak_memory_bytes|sha256|created|generated)$")
"""Names of fields that hold times, memory, or sums over documents with times in them."""


def experiment(way: str, model: Path, data: Path, folder: Path) -> Path:
    """Writes the experiment's file; its output is a folder with the name of the way."""
    values = {
        "name": "robust",
        "output": way,
        "base": {
            "model": str(model.absolute()),
            "data_dir": str(data.absolute()),
            "languages": ["en", "de", "tr"],
            "perturb": ["typos"],
            "limit": 200,
            "training": {"epochs": 2, "learning_rate": 1e-3, "max_length": 64},
            "keep_checkpoints": "none",
        },
        "tasks": ["wikiann", "pos", "xnli"],
        "methods": ["vanilla", "adversarial", "rs_random", "rs_aug", "rs_aug+lora"],
        "seeds": 3,
        "budget": {"match": "steps", "of": "vanilla"},
    }
    file = folder / f"{way}.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def complete(folder: Path) -> int:
    """Number of runs that the sweep knows to be complete."""
    own = experiment_folder(folder, "robust")
    return sum('"state": "complete"' in status.read_text() for status in own.glob("status/*.json"))


def in_the_middle(folder: Path, sweep: subprocess.Popen[bytes], training: int) -> None:
    """Waits until a good part of the runs is complete, and as many as `training` are in training."""
    own = experiment_folder(folder, "robust")
    while sweep.poll() is None:
        if complete(folder) >= RUNS // 3:
            texts = []
            for path in own.glob("progress/*.json"):
                try:
                    texts.append(json.loads(path.read_text()))
                except (OSError, ValueError):
                    continue
            if sum(one["phase"] == "train" and one["done"] > 0 for one in texts) >= training:
                return
        time.sleep(0.1)
    raise SystemExit("the sweep ended before its middle")


def once(file: Path, env: dict[str, str]) -> None:
    """Carries out the experiment undisturbed, two runs at once with a thread each."""
    subprocess.run([*XROBUST, "sweep", str(file), "--jobs", "2"], env=env, check=True)


def killed(file: Path, env: dict[str, str]) -> None:
    """Kills the sweep in the middle, counts the runs that go on without it, and starts it again."""
    output = file.parent / "killed"
    sweep = subprocess.Popen([*XROBUST, "sweep", str(file), "--jobs", "2"], env=env)
    in_the_middle(output, sweep, training=1)
    os.kill(sweep.pid, signal.SIGKILL)
    began = time.monotonic()
    while subprocess.run(["pgrep", "-f", f"xrobust run --config {output}"], stdout=subprocess.DEVNULL).returncode == 0:
        time.sleep(0.1)
    print(f"killed with {complete(output)} of {RUNS} complete; its runs ended {time.monotonic() - began:.1f} s later")
    once(file, env)


def ray(file: Path, env: dict[str, str]) -> None:
    """Carries it out on two nodes of a core each, of which one is killed in the middle and replaced."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    try:
        command = [*XROBUST, "sweep", str(file), "--executor", "ray"]
        sweep = subprocess.Popen(command, env={**env, "RAY_ADDRESS": cluster.address})
        in_the_middle(file.parent / "ray", sweep, training=2)
        cluster.remove_node(node, allow_graceful=False)
        print(f"node killed with {complete(file.parent / 'ray')} of {RUNS} complete", flush=True)
        cluster.add_node(num_cpus=1)
        if sweep.wait():
            raise SystemExit("the sweep failed")
    finally:
        cluster.shutdown()


def leaderboard(folder: Path, way: str) -> Any:
    """The leaderboard of a way."""
    file = folder / f"{way}.json"
    subprocess.run([*XROBUST, "leaderboard", str(folder / way), "-o", str(file)], check=True, stdout=subprocess.DEVNULL)
    return json.loads(file.read_text())


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Places at which two values in JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{place}[{number}]")
    elif one != other:
        yield place


def main() -> None:
    """Carries out each way that is missing, and compares the leaderboards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for way in WAYS:
        file = experiment(way, given.model, given.data, folder)
        if complete(folder / way) < RUNS:
            globals()[way](file, env)
    boards = {way: leaderboard(folder, way) for way in WAYS}
    for way in WAYS[1:]:
        places = list(differences(boards["once"], boards[way]))
        others = [place for place in places if not OF_THE_HOST.search(place)]
        print(
            f"once and {way}: {len(places)} fields differ, {len(others)} of them no facts of time or host {others[:5]}"
        )


if __name__ == "__main__":
    main()
