"""Training the word embeddings that occur, beside training all of them: memory, checkpoints, time, exchange.

    python -m tests.benchmarks.embedding_rows --data ../shared/data --model E5-SMALL \
        --vocabulary ../shared/tokenizers/mbert/vocab.txt

Contenders are xrobust with `training.embedding_rows` used and all, and transformers' Trainer, on batches of 32 out of
the same examples, with fused AdamW. Peak memory is `VmHWM` of a process for each, step times are of contenders that
take turns in one process, what two processes exchange is counted in the buckets of gradients that they reduce, and the
weights that come out are compared by their sha256. Prints a table and writes build/bench/embedding_rows.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from tests.benchmarks.measuring import alternate, machine, ratio, table, write
from tests.benchmarks.training_speed import job_of, ours, transformers_trainer
from tests.benchmarks.workload import Workload, mbert_shape, workload
from xrobust.engine.accelerator import accelerator
from xrobust.runtime.observers import Observers
from xrobust.training.loop import Trainer

ROWS = ("used", "all")
TRAINER = "Trainer"
BYTES_A_WEIGHT = 12
"""Of gradient and AdamW's two moments, float32."""


def peak_mb() -> float:
    """Peak resident memory of this process in MB. Not `ru_maxrss`, in which what started the process counts too."""
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))


def trained(work: Workload, encoded: Any) -> dict[str, Any]:
    """Trains with xrobust in this process; writes a checkpoint at the end. All that can be counted of it."""
    options = argparse.Namespace(**json.loads(os.environ["EMBEDDING_ROWS"]))
    model = work.fresh_model("cpu")
    vocabulary = len(model.get_input_embeddings().weight)
    exchanged: list[int] = []
    counting = lambda _, bucket: (exchanged.append(bucket.buffer().nbytes), allreduce_hook(None, bucket))[1]  # noqa: E731  torch reads annotations of a def

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            job_of(work, encoded, model, Path(folder), rows=options.rows, steps=options.steps),
            accelerator("fp32"),
            Observers(),
            warnings.warn,
        )
        if trainer.accelerator.num_processes > 1:
            trainer.model.register_comm_hook(None, counting)
        for number in range(trainer.total):
            trainer.step(number, 1e-5)
            trainer.state.count(1, 1, 1)
        trained_rows = len(model.get_input_embeddings().weight)
        peak = peak_mb()
        trainer.save()
        checkpoint = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    if trainer.rows is not None:
        trainer.rows.restore()
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
    return {
        "peak_mb": peak,
        "checkpoint_mb": checkpoint / 1e6,
        "exchanged_mb_a_step": sum(exchanged) / 1e6 / trainer.total,
        "sha256": digest,
        "rows": trained_rows,
        "vocabulary": vocabulary,
        "dimensions": model.get_input_embeddings().weight.shape[1],
    }


def child(options: argparse.Namespace) -> None:
    """One contender in this process; what was measured is the last line of the main process's output."""
    work = workload(options.task, options.model, options.data)
    _, encoded = work.encoded("train", "en", options.examples)
    torch.set_num_threads(options.threads)
    if options.rows == TRAINER:
        transformers_trainer(work, encoded, 0, "cpu", steps=options.steps)
        found: dict[str, Any] = {"peak_mb": peak_mb()}
    else:
        found = trained(work, encoded)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(found))


def measured(rows: str, task: str, model: str, options: argparse.Namespace, processes: int = 1) -> dict[str, Any]:
    """What a child, or a team of several, has measured."""
    given = {"rows": rows, "task": task, "model": model, "data": str(options.data), "examples": options.examples}
    given |= {"steps": options.steps, "threads": options.threads if processes == 1 else 1}
    start = (
        [sys.executable] if processes == 1 else [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    )
    done = subprocess.run(
        [*start, "-m", "tests.benchmarks.embedding_rows", "--child"],
        env={**os.environ, "EMBEDDING_ROWS": json.dumps(given), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))


def compare(task: str, name: str, model: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a task and an encoder."""
    work = workload(task, model, options.data)
    _, encoded = work.encoded("train", "en", options.examples)
    alone = {rows: measured(rows, task, model, options) for rows in (*ROWS, TRAINER)}
    two = {rows: measured(rows, task, model, options, processes=2) for rows in ROWS}
    contenders = {name: partial(timed, work, encoded, name, options.steps) for name in (*ROWS, TRAINER)}
    seconds = alternate(contenders, options.rounds)
    used, every = alone["used"], alone["all"]
    unused = (used["vocabulary"] - used["rows"]) * used["dimensions"] * BYTES_A_WEIGHT / 2**20
    return {
        "task": task,
        "encoder": name,
        "examples": len(encoded),
        "steps": options.steps,
        "rows": f"{used['rows']} of {used['vocabulary']}",
        "alone": alone,
        "two": two,
        "seconds": seconds,
        "saved_mb": every["peak_mb"] - used["peak_mb"],
        "unused_mb": unused,
        "memory_share": (every["peak_mb"] - used["peak_mb"]) / unused,
        "checkpoint_ratio": used["checkpoint_mb"] / every["checkpoint_mb"],
        "exchange_ratio": two["used"]["exchanged_mb_a_step"] / two["all"]["exchanged_mb_a_step"],
        "time_ratio": ratio(seconds["used"], seconds["all"]),
        "time_ratio_trainer": ratio(seconds["used"], seconds[TRAINER]),
        "all_time_ratio_trainer": ratio(seconds["all"], seconds[TRAINER]),
        "identical": used["sha256"] == every["sha256"] and two["used"]["sha256"] == two["all"]["sha256"],
    }


def timed(work: Workload, encoded: Any, rows: str, steps: int, seed: int) -> float:
    """Seconds of training of one contender."""
    if rows == TRAINER:
        return transformers_trainer(work, encoded, seed, "cpu", steps=steps).seconds
    return ours(work, encoded, seed, "cpu", rows=rows, steps=steps).seconds


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", default="mini", help="folder in the XTREME layout, or a name of bundled data")
    parser.add_argument("--model", default="mini", help="a pre-trained encoder: folder or name")
    parser.add_argument("--vocabulary", help="vocab.txt of bert-base-multilingual-cased: its shape is measured too")
    parser.add_argument("--tasks", nargs="+", default=["wikiann", "pos"])
    parser.add_argument("--examples", type=int, default=8000, help="training examples, whose word pieces are trained")
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps, of 32 examples each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.child:
        child(argparse.Namespace(**json.loads(os.environ["EMBEDDING_ROWS"])))
        return
    torch.set_num_threads(options.threads)
    encoders = {Path(options.model).name: options.model}
    if options.vocabulary:
        encoders["mbert"] = mbert_shape(options.vocabulary)
    found = []
    for name, model in encoders.items():
        for task in options.tasks:
            found.append(compare(task, name, model, options))
            write("embedding_rows", {"machine": machine(), "load": os.getloadavg()[0], "results": found})
            print(json.dumps({k: v for k, v in found[-1].items() if k != "alone"}, indent=1), flush=True)
    head = ("encoder", "task", "rows", "memory saved, MB", "of gradient and moments", "checkpoint", "exchange")
    head = (*head, "time, used / all", "used / Trainer", "same weights")
    print(
        table(
            head,
            [
                (
                    *(one["encoder"], one["task"], one["rows"], one["saved_mb"], one["memory_share"]),
                    *(one["checkpoint_ratio"], one["exchange_ratio"], one["time_ratio"], one["time_ratio_trainer"]),
                    one["identical"],
                )
                for one in found
            ],
        )
    )


if __name__ == "__main__":
    main()
