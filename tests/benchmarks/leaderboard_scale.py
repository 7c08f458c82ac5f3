"""Time and memory of a leaderboard of many documents: `python -m tests.benchmarks.leaderboard_scale`.

Writes documents of 100 kB (no predictions) into a temporary folder, and builds their leaderboard on one core: anew, and
from the index, then with one document in a hundred written anew. 10,000 documents take about 1 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.handmade_runs import make_run, score
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.results.schema import RunResult
from xrobust.results.store import save_result

LANGUAGES = "en de fr es nl ru tr id ar hi ta zh ja ko sw".split()
METRICS = ("span_f1", "span_precision", "span_recall")
CONDITIONS = (None, "typos", "casing", "diacritics")
SEEDS = 5


def template() -> RunResult:
    """A document with 15 languages under 4 conditions in 3 metrics, and a training curve: 100 kB."""
    rows = [
        score(language, 0.5, metric, label, rows=f"{language}-{label}".ljust(64, "0"))
        for language in LANGUAGES
        for label in CONDITIONS
        for metric in METRICS
    ]
    result = make_run(rows, task="wikiann")
    assert result.training is not None
    result.training.weights = {f"model-{i:05}.safetensors": "0" * 64 for i in range(20)}
    return result


def write_documents(folder: Path, count: int, seed: int = 0) -> None:
    """Writes the documents: tasks x models x methods x seeds."""
    draw = random.Random(seed)
    plain = template().model_dump(mode="json")
    names = [(f"task{i % 4}", f"model{i // 4 % 50}", f"method{i // 200}") for i in range(count // SEEDS)]
    for i, (task, model, method) in enumerate(names):
        level = 0.3 + 0.4 * draw.random()
        for repetition in range(SEEDS):
            train = plain["spec"]["train"]
            train.update(task=task, seed=repetition, model={"sha256": f"{i // 4 % 50:064}"})
            train["method"][0]["name"] = method
            plain["model"]["id"] = model
            plain["run_id"], plain["group_id"] = run_id(train), group_id(train)
            for row in plain["scores"]:
                row["value"] = min(1.0, max(0.0, draw.gauss(level, 0.02)))
                row["ci_low"], row["ci_high"] = max(0.0, row["value"] - 0.02), min(1.0, row["value"] + 0.02)
            place = folder / task / method / plain["run_id"]
            place.mkdir(parents=True)
            save_result(place, RunResult.model_validate(plain))


def measure(arguments: list[str], cache: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory in GB of a command, on one core."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.execve(arguments[0], arguments, {**os.environ, "XDG_CACHE_HOME": str(cache)})
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    count = parser.parse_args().documents
    with tempfile.TemporaryDirectory(prefix="xrobust-scale-") as temporary:
        folder, cache, output = (Path(temporary) / name for name in ("runs", "cache", "leaderboard.json"))
        write_documents(folder, count)
        time.sleep(3)  # what was written in the last seconds is read again by the next build
        files = sorted(folder.rglob("result.json"))
        size = sum(file.stat().st_size for file in files)
        print(f"{len(files)} documents of {size / len(files) / 1000:.0f} kB")
        command = [str(Path(sys.executable).with_name("xrobust")), "leaderboard", str(folder), "--verify", "documents"]
        print(f"{'':44}  {'wall s':>7}  {'CPU s':>6}  {'GB':>5}")
        for what in ("first build", "second build", "third build, 1 in 100 documents written anew"):
            if what.startswith("third"):
                for file in files[::100]:
                    save_result(file.parent, RunResult.model_validate(json.loads(file.read_bytes())))
            wall, cpu, memory = measure([*command, "--output", str(output)], cache)
            print(f"{what:44}  {wall:7.1f}  {cpu:6.1f}  {memory:5.2f}", flush=True)
        print(f"leaderboard.json: {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
