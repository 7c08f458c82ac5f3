"""The table of the mini preset in docs/mini.md: tasks x languages, three seeds, the baseline beside it, time, memory.

    python -m tests.benchmarks.mini_table --output mini-runs

Each run is the command itself, in a process of its own. Runs that are in the output folder already are not done again.
The baseline is the most frequent label of train; for tagging, each token's most frequent tag in train, and the most
frequent tag for a token that train has not. The interval is Student's over seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from xrobust import load_result
from xrobust.data.sources import data_folder, open_source
from xrobust.metrics.by_name import metric
from xrobust.registry.plugins import Plugins


def baseline(task: Any, source: Any, language: str) -> float:
    """The main score of the most frequent label, or of each token's most frequent tag, in `language`."""
    train, test = source.load(task, "train", "en"), source.load(task, "test", language)
    gold = [example[task.kind.gold_column] for example in test]
    if task.kind.pre_split:
        tags: dict[str, Counter[str]] = defaultdict(Counter)
        for example in train:
            for token, tag in zip(example["tokens"], example["tags"], strict=True):
                tags[token][tag] += 1
        usual = sum(tags.values(), Counter()).most_common(1)[0][0]
        guess: list[Any] = [
            [tags[token].most_common(1)[0][0] if token in tags else usual for token in example["tokens"]]
            for example in test
        ]
    else:
        usual = Counter(example["label"] for example in train).most_common(1)[0][0]
        guess = [usual] * len(gold)
    scorer = metric(task.metrics[0])
    return scorer(gold, guess)[scorer.outputs[0]]


def measured(task: str, method: str, seed: int, output: Path) -> tuple[Any, float]:
    """The document of one run of the preset, and the seconds that the whole command took (0 where it was done)."""
    command = [sys.executable, "-m", "xrobust", "run", "--preset", "mini", "--task", task, "--method", method]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--seeds", str(seed), "--output", str(output)], capture_output=True, text=True, check=True
    )
    seconds = 0.0 if "already complete" in done.stdout else time.perf_counter() - started
    return load_result(Path(done.stdout.strip().splitlines()[-1])), seconds


def main() -> None:
    """Runs what is not there yet, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["pawsx", "xnli", "wikiann", "pos"])
    parser.add_argument("--methods", nargs="+", default=["vanilla"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[4, 5, 6])  # rates were tried with 1, 2, 3
    options = parser.parse_args()
    source = open_source(data_folder(Path("mini")), offline=True)
    for name in options.tasks:
        task = Plugins().load("tasks", name)()
        languages = source.languages(task, "test")
        targets = [code for code in languages if code != "en"]
        floor = {code: baseline(task, source, code) for code in languages}
        print(f"| {name} | " + " | ".join(languages) + " | targets | 95% over seeds | seconds | peak GB |")
        print("|---" * (len(languages) + 5) + "|")
        cells = [f"{100 * floor[code]:.1f}" for code in languages]
        mean_floor = 100 * float(np.mean([floor[code] for code in targets]))
        print(f"| baseline | {' | '.join(cells)} | {mean_floor:.1f} | | | |", flush=True)
        for method in options.methods:
            runs = [measured(name, method, seed, options.output) for seed in options.seeds]
            cells = [f"{100 * np.mean([r.value(code) for r, _ in runs]):.1f}" for code in languages]
            means = [100 * float(np.mean([r.value(code) for code in targets])) for r, _ in runs]
            spread = "-"
            if len(means) > 1:
                half = stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)
                spread = f"{np.mean(means) - half:.1f} to {np.mean(means) + half:.1f}"
            seconds = max(s for _, s in runs)
            memory = max(r.training.peak_memory_bytes for r, _ in runs) / 1e9
            row = [*cells, f"{np.mean(means):.1f}", spread, f"{seconds:.0f}" if seconds else "-", f"{memory:.2f}"]
            print(f"| {method} | " + " | ".join(row) + " |", flush=True)
        print()


if __name__ == "__main__":
    main()
