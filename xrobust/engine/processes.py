"""Processes: Accelerate's state, and starting several processes from one command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xrobust import signals
from xrobust.errors import UserError

PATIENCE = 60.0
"""Seconds until a file that another node wrote must be seen: file systems of clusters keep what was not there in mind
for as long (NFS: `acdirmax`)."""

PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def accelerator(precision: str) -> Any:
    """A fresh `accelerate.Accelerator`.

    Buffers are not broadcast before each forward pass: encoders have none that training changes, and a broadcast in
    place would break objectives that go through the model several times before one backward pass.

    Raises UserError where sharding (FSDP, DeepSpeed) was asked for.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState
    from accelerate.utils import parse_flag_from_env

    if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        raise UserError(
            "DeepSpeed was asked for, and training with it is not supported: start it without --use_deepspeed "
            "(ACCELERATE_USE_DEEPSPEED)"
        )
    # Accelerate keeps one precision a process; a second run in the same process may want another.
    AcceleratorState._reset_state(reset_partial_state=False)
    found = Accelerator(
        mixed_precision=PRECISION[precision],
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    _refuse_sharding(found)
    return found


def _refuse_sharding(accelerator: Any) -> None:
    """Raises UserError where parameters were to be sharded: Accelerate does it on GPUs alone, without a word."""
    from accelerate.utils import DistributedType, parse_flag_from_env

    if not parse_flag_from_env("ACCELERATE_USE_FSDP"):
        return
    instead = "start it without --use_fsdp (ACCELERATE_USE_FSDP); --set gradient_checkpointing=true saves memory too"
    if accelerator.distributed_type != DistributedType.FSDP:
        raise UserError(
            "FSDP was asked for, and Accelerate does not shard here: it needs a GPU for each process, and this is "
            f"{accelerator.device.type} with {accelerator.num_processes} (distributed type "
            f"{accelerator.distributed_type.value}): {instead}"
        )
    raise UserError(f"FSDP was asked for, and training with sharded parameters is not supported yet: {instead}")


def check_shared(path: Path, accelerator: Any) -> None:
    """Waits for all processes, and for each to see `path`, which the main process has written.

    Raises UserError, on all of them, where one does not: nodes exchange weights and documents through the run's folder.
    """
    import torch

    accelerator.wait_for_everyone()
    until = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.5)
    seen = accelerator.gather(torch.tensor([int(path.exists())], device=accelerator.device)).tolist()
    if not all(seen):
        blind = ", ".join(str(rank) for rank, sees in enumerate(seen) if not sees)
        raise UserError(
            f"{path.parent}: process {blind} does not see what the main process wrote there: on several nodes --output "
            "has to be a folder, by the same path, on a file system that they share"
        )


def emulated_precision(accelerate: Any) -> str | None:
    """A warning where the processor has no instructions for the precision asked for: it is then slower than fp32."""
    import torch

    needed = {"bf16": ("avx512_bf16", "amx_bf16"), "fp16": ("avx512_fp16", "amx_fp16")}.get(accelerate.mixed_precision)
    if needed is None or accelerate.device.type != "cpu":
        return None
    has = torch.cpu.get_capabilities()
    if has.get("architecture") != "x86_64" or any(has.get(name) for name in needed):
        return None
    precision = accelerate.mixed_precision
    return f"this processor has no {precision} instructions: --precision {precision} is several times slower than fp32"


def is_main() -> bool:
    """Whether this is the process that prints and writes. Works before torch is imported."""
    return int(os.environ.get("RANK", "0")) == 0


def launched() -> bool:
    """Whether a launcher (torchrun, accelerate launch, or `relaunch`) started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def relaunch(num_processes: int, arguments: Sequence[str]) -> int:
    """Runs `python -m xrobust <arguments>` in `num_processes` processes on this machine; returns the exit code.

    What torchrun does on one machine, without its traceback for every process that fails: one line is what a user gets.
    On a machine without a GPU the processes talk over gloo.
    """
    import torch

    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    shared |= {"WORLD_SIZE": str(num_processes), "LOCAL_WORLD_SIZE": str(num_processes)}
    if not torch.cuda.is_available():
        shared["ACCELERATE_USE_CPU"] = "true"
        shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // num_processes)))
    command = [sys.executable, "-m", "xrobust", *arguments]
    processes: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(1, num_processes)]
        try:
            for rank, error in enumerate([None, *errors]):
                env = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                processes.append(subprocess.Popen(command, env=env, stderr=error, stdout=None))
            failed = _first_failure(processes)
        except KeyboardInterrupt:
            return _stop(processes, signals.asked() or signal.SIGINT)
        if failed is None:
            return 0
        killed = -processes[failed].returncode
        for process in processes:
            _end(process)
        if killed > 0:
            print(f"xrobust: {_killed(failed, killed)}", file=sys.stderr)
        elif failed > 0 and processes[0].returncode < 0:
            # The main process was only waiting: what happened is in the words of the one that failed.
            errors[failed - 1].seek(0)
            lines = errors[failed - 1].read().strip().splitlines()
            print(f"process {failed}: {lines[-1] if lines else 'ended without a word'}", file=sys.stderr)
        if signals.TERMINATED in (process.returncode for process in processes):
            return signals.TERMINATED  # whatever became of those that it left alone
        return next((abs(p.returncode) for p in (processes[0], processes[failed]) if p.returncode > 0), 1)


def _killed(rank: int, number: int) -> str:
    """What is said of a process that a signal ended, of which nothing else is heard."""
    why = " (as the system does when memory runs out)" if number == signal.SIGKILL else ""
    return (
        f"process {rank} was ended by {signal.Signals(number).name}{why}; "
        "the same command goes on from the last checkpoint"
    )


def _first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Waits until all have ended well (None) or one has not (its rank)."""
    while True:
        for rank, process in enumerate(processes):
            if process.poll():
                return rank
        running = [process for process in processes if process.poll() is None]
        if not running:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            running[0].wait(timeout=0.2)


def _stop(processes: Sequence[subprocess.Popen[bytes]], number: int) -> int:
    """Passes Ctrl-C or SIGTERM on, a second one too; waits until all have ended, and returns the exit code.

    They write a checkpoint first, however long that takes; from the first that has ended none is waited for long.
    """
    for again in (True, False):
        for process in processes:
            process.send_signal(number)
        try:
            while all(process.poll() is None for process in processes):
                time.sleep(0.05)
            break
        except KeyboardInterrupt:
            if not again:  # a third one
                for process in processes:
                    process.kill()
    for process in processes:
        _end(process, 30)
    if not any(process.returncode for process in processes):
        return 0  # it came when they had done everything
    if processes[0].returncode < 0:
        print(f"xrobust: {signals.message(number)}", file=sys.stderr)
    return signals.exit_code(number)


def _end(process: subprocess.Popen[bytes], seconds: float = 5) -> None:
    """Lets a process that fails for the same reason say so; ends one that waits for the others in vain."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
