"""Processes: Accelerate's state, and starting several processes from one command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def accelerator(precision: str) -> Any:
    """A fresh `accelerate.Accelerator`.

    Buffers are not broadcast before each forward pass: encoders have none that training changes, and a broadcast in
    place would break objectives that go through the model several times before one backward pass.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    # Accelerate keeps one precision a process; a second run in the same process may want another.
    AcceleratorState._reset_state(reset_partial_state=False)
    return Accelerator(
        mixed_precision=PRECISION[precision],
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


def is_main() -> bool:
    """Whether this is the process that prints and writes. Works before torch is imported."""
    return int(os.environ.get("RANK", "0")) == 0


def launched() -> bool:
    """Whether a launcher (torchrun, accelerate launch, or `relaunch`) started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def relaunch(num_processes: int, arguments: Sequence[str]) -> int:
    """Runs `python -m xrobust <arguments>` in `num_processes` processes on this machine; returns the exit code.

    On a machine without a GPU the processes talk over gloo.
    """
    import torch

    environment = dict(os.environ)
    if not torch.cuda.is_available():
        environment["ACCELERATE_USE_CPU"] = "true"
        threads = max(1, (os.cpu_count() or 1) // num_processes)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    command = [
        sys.executable,
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes)),
        *("--log-level", "ERROR"),
        *("-m", "xrobust"),
        *arguments,
    ]
    return subprocess.run(command, env=environment, check=False).returncode
