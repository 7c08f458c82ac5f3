"""Strong scaling: the same work by one process and by two, one thread each: `python -m tests.benchmarks.scaling`.

Train and evaluate are timed apart, in processes that stay: pairs of one process and pairs of two take turns (A B A B),
and medians of each are compared. A table goes to the screen, the figures to build/bench/scaling.json. Beside the time
on the clock stands the CPU time of the busiest process, which tells how even the shares are and what the exchange costs
where other programs keep the cores busy; it leaves out waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

ROUNDS, STEPS = 5, 10
OUTPUT = Path("build/bench/scaling.json")
PARTS = ("train", "evaluate")
CLOCKS = ("wall", "cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini", help="hub id, folder or name of an encoder")
    parser.add_argument("--data-dir", default="mini", help="folder with data, or a name")
    parser.add_argument("--task", default="pos")
    parser.add_argument("--languages", default="de", help="to evaluate")
    parser.add_argument("--limit", type=int, default=1000, help="rows of each split")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Starts one process and two, lets them work in turns, and writes what they took."""
    teams = {number: start(number) for number in (1, 2)}
    taken: dict[tuple[str, str, int], list[float]] = {
        (part, clock, number): [] for part in PARTS for clock in CLOCKS for number in teams
    }
    for team in teams.values():
        assert json.loads(answer(team)) == "ready"
    for _ in range(options.rounds):
        for part in PARTS:
            for number, team in teams.items():
                tell(team, part)
                for clock, seconds in zip(CLOCKS, json.loads(answer(team)), strict=True):
                    taken[part, clock, number].append(seconds)
    for team in teams.values():
        tell(team, "end")
        for process in team:
            process.wait()
    result: dict[str, Any] = {
        "task": options.task,
        "model": options.model,
        "languages": options.languages,
        "limit": options.limit,
        "steps": STEPS,
        "rounds": options.rounds,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "ratios": [],
    }
    print(f"{'part':9} {'clock':5} {'1 process':>10} {'2 processes':>12} {'speedup':>8}")
    for part in PARTS:
        for clock in CLOCKS:
            each = {number: taken[part, clock, number] for number in teams}
            one, two = (statistics.median(each[number]) for number in teams)
            result["ratios"].append({"part": part, "clock": clock, "seconds": each, "speedup": one / two})
            print(f"{part:9} {clock:5} {one:9.2f}s {two:11.2f}s {one / two:8.2f}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(OUTPUT)


def start(number: int) -> list[subprocess.Popen[str]]:
    """`number` processes that work together."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(number)}
    shared |= {"LOCAL_WORLD_SIZE": str(number), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.benchmarks.scaling", "--worker", *sys.argv[1:]]
    return [
        subprocess.Popen(
            command,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(number)
    ]


def tell(team: list[subprocess.Popen[str]], what: str) -> None:
    for process in team:
        assert process.stdin is not None
        process.stdin.write(what + "\n")
        process.stdin.flush()


def answer(team: list[subprocess.Popen[str]]) -> str:
    """The main process's line."""
    assert team[0].stdout is not None
    return team[0].stdout.readline()


def work(options: argparse.Namespace) -> None:
    """A process: does what it is told, and says how long it took until all were done."""
    import tempfile

    import torch

    from xrobust.config.run_spec import RunSpec
    from xrobust.data.splits import load_split
    from xrobust.engine.accelerator import accelerator
    from xrobust.engine.predict import predict
    from xrobust.pipeline import training_inputs
    from xrobust.plan import make_plan
    from xrobust.runtime.observers import Observers
    from xrobust.training.inputs import EncoderPlace, TrainingOptions
    from xrobust.training.loop import Trainer
    from xrobust.training.setup import set_up_training

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as output:
        request = RunSpec(
            task=options.task,
            model=options.model,
            data_dir=options.data_dir,
            languages=options.languages.split(","),
            limit=options.limit,
            output=Path(output),
        )
        plan = make_plan(request)
        accelerate = accelerator("fp32")
        base, checkpoints = EncoderPlace(request.model), plan.folder / "checkpoints"
        training = set_up_training(training_inputs(plan), base, TrainingOptions(), checkpoints, accelerate)
        pad_id = training.tokenizer.pad_token_id
        tests = []
        for language in plan.evaluation.spec.languages:
            examples, _ = load_split(plan.task, plan.source, "test", language, options.limit)
            tests.append(plan.task.kind.encode(examples, training.tokenizer, plan.spec.train.training.max_length))
        trainer = Trainer(training.job, accelerate, Observers(), warnings.warn)

        def once(part: str) -> None:
            if part == "evaluate":
                for encoded in tests:
                    predict(training.job.model, encoded, accelerate, pad_id)
            else:
                training.job.model.train()
                for step in range(STEPS):  # the same batches in each round
                    trainer.step(step, 1e-5)

        for part in PARTS:
            once(part)  # what is done the first time only
        accelerate.wait_for_everyone()
        report(accelerate, "ready")
        for line in sys.stdin:
            part = line.strip()
            if part == "end":
                break
            accelerate.wait_for_everyone()
            started, cpu = time.perf_counter(), time.process_time()
            once(part)
            busy = torch.tensor([time.process_time() - cpu], dtype=torch.float64)
            busiest = float(accelerate.gather(busy).max())
            report(accelerate, [time.perf_counter() - started, busiest])
        accelerate.end_training()


def report(accelerate: Any, what: Any) -> None:
    if accelerate.is_main_process:
        print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
