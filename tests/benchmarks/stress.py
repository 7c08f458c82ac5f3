"""Runs killed at random moments: each is started again, and has to end as the run that was never killed, bit for bit.

    python -m tests.benchmarks.stress --seed 1 --kills 20

A run is the command itself on the preset `mini`, every fourth one in two processes. SIGKILL comes at a moment drawn
over the whole life of the run, from the start of the command to its end. Before half of the new starts a file of the
newest checkpoint is cut short or has a bit flipped. A line a kill; exit code 1 if any weight or score is another.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust import load_result
from xrobust.storage.hashing import file_sha256

RUN = [
    *("run", "--preset", "mini", "--task", "pos", "--limit", "96", "--offline", "--languages", "en,de,fr,tr"),
    *("--set", "training.epochs=8", "--set", "training.select_every=5", "--set", "checkpoint_steps=2"),
]


@dataclass(frozen=True)
class Whole:
    """The run that nothing stopped."""

    seconds: float
    outcome: Any


def command(output: Path, processes: int) -> list[str]:
    """The command line of the run."""
    return [sys.executable, "-m", "xrobust", *RUN, "--output", str(output), "--num-processes", str(processes)]


def folder(output: Path) -> Path | None:
    """The run's folder, where it has one."""
    found = list(output.glob("pos/*/*"))
    return found[0] if found else None


def outcome(output: Path) -> Any:
    """Everything that a run came to: its weights, its curve, its scores."""
    path = folder(output)
    assert path is not None
    result = load_result(path)
    assert result.training is not None
    scores = [(row.language, row.metric, row.value, row.ci_low, row.ci_high, row.n) for row in result.scores]
    training = [result.training.curve, result.training.dev, result.training.selected_step]
    return result.status, scores, training, file_sha256(path / "model" / "model.safetensors")


def whole(output: Path, processes: int) -> Whole:
    """The run from its beginning to its end."""
    started = time.monotonic()
    subprocess.run(command(output, processes), check=True, capture_output=True)
    return Whole(time.monotonic() - started, outcome(output))


def killed(output: Path, processes: int, moment: float) -> bool:
    """Starts the run and kills all of it after `moment` seconds; False where it had ended by then."""
    with tempfile.TemporaryFile() as said:
        run = subprocess.Popen(command(output, processes), stdout=said, stderr=said, start_new_session=True)
        try:
            run.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return True
    return False


def phase(output: Path) -> str:
    """How far the run had come, by what is on disk."""
    path = folder(output)
    if path is None or not (path / "result.json").exists():
        return "start-up"
    result = load_result(path)
    if result.status == "complete":
        return "end"
    if result.training is not None:
        return f"scoring ({len(result.scored())} of 4 done)"
    return "training"


def damage(output: Path, rng: random.Random) -> str:
    """Cuts or changes a file of the newest checkpoint; says which, or nothing where there is no checkpoint."""
    path = folder(output)
    steps = sorted((path / "checkpoints").glob("step-*")) if path is not None else []
    if not steps:
        return "-"
    victim = rng.choice(sorted(steps[-1].iterdir()))
    content = bytearray(victim.read_bytes())
    how = rng.choice(["cut", "flipped"])
    if how == "cut":
        del content[rng.randrange(len(content)) :]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    victim.write_bytes(content)
    return f"{victim.parent.name}/{victim.name} {how}"


def gone_on_from(output: Path) -> str:
    """What the last start of the run went on from, by its log."""
    path = folder(output)
    assert path is not None
    last = (path / "run.log").read_text().rpartition(f"run {path.name}, ")[2]
    if (found := re.search(r"goes on from the checkpoint of step (\d+)", last)) is not None:
        return f"step {found[1]}"
    return "the beginning" if " dev " in last else "the trained model"


def main() -> None:
    """Kills, starts again, compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rng = random.Random(options.seed)
    started = time.monotonic()
    different = 0
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        wholes = {processes: whole(runs / f"whole-{processes}", processes) for processes in (1, 2)}
        for processes, found in wholes.items():
            print(f"never killed, processes {processes}: {found.seconds:.1f} s", flush=True)
        print("kill | processes | at second | of | phase | damaged then | went on from | outcome", flush=True)
        done = 0
        while done < options.kills:
            processes = 2 if done % 4 == 3 else 1
            reference, output = wholes[processes], runs / f"killed-{done}"
            moment = rng.uniform(0, reference.seconds)
            if not killed(output, processes, moment):
                print(f"- | {processes} | {moment:.2f} | {reference.seconds:.1f} | ended before | - | - | not counted")
                output.rename(runs / f"ended-{rng.random()}")
                continue
            done += 1
            reached = phase(output)
            damaged = damage(output, rng) if rng.random() < 0.5 else "-"
            last = subprocess.run(command(output, processes), capture_output=True, text=True)
            if last.returncode != 0:
                said = f"FAILED: {' '.join(last.stderr.split())}"
            else:
                said = "the same" if outcome(output) == reference.outcome else "DIFFERENT"
            different += said != "the same"
            origin = "-" if last.returncode or reached == "end" else gone_on_from(output)
            cells = (done, processes, f"{moment:.2f}", f"{reference.seconds:.1f}", reached, damaged, origin, said)
            print(" | ".join(map(str, cells)), flush=True)
    print(f"{options.kills} kills, {different} with another outcome, {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
