"""Processes on one machine: started from one command, and stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from xrobust.errors import PluginError, RunError, UserError
from xrobust.runtime import signals
from xrobust.runtime.screen import say

PEER_LOST = 76
"""Exit code by which a process tells `relaunch`, in place of a line, that it ended because another had: EX_PROTOCOL."""
RELAUNCHED = "XROBUST_RELAUNCHED"
"""Set in the processes that `relaunch` starts."""


class PeerLost(RunError):
    """The end of another process of a run, without which this one cannot go on."""

    def __init__(self, where: str = "") -> None:
        super().__init__(f"another process of this run has ended, and this one cannot go on alone{where}")


def is_main() -> bool:
    """True if this is the process that prints and writes. Works before torch is imported."""
    return int(os.environ.get("RANK", "0")) == 0


def launched() -> bool:
    """True if a launcher (torchrun, accelerate launch, or `relaunch`) started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_lost_process(error: BaseException) -> bool:
    """True if an error of gloo or NCCL says that another process of the run has ended, or does not answer."""
    distributed = any(cls.__name__ == "DistError" for cls in type(error).__mro__)  # of torch.distributed
    return distributed or "closed by peer" in str(error) or "reset by peer" in str(error)


@contextlib.contextmanager
def first_of(accelerator: Any, *, of_machine: bool = False) -> Iterator[None]:
    """A block that the main process, or the first one `of_machine`, goes through before the others.

    Accelerate's own (`main_process_first`) leaves the others waiting where the block raises. Here they follow after a
    PluginError or UserError, which the first one may go on after.
    """
    first = accelerator.is_local_main_process if of_machine else accelerator.is_main_process
    if not first:
        accelerator.wait_for_everyone()
    try:
        yield
    except (PluginError, UserError):
        if first:
            accelerator.wait_for_everyone()
        raise
    if first:
        accelerator.wait_for_everyone()


def usable_gpus() -> int:
    """Number of GPUs that Accelerate would use here: none with ACCELERATE_USE_CPU."""
    import torch
    from accelerate.utils import parse_flag_from_env

    return 0 if parse_flag_from_env("ACCELERATE_USE_CPU") else torch.cuda.device_count()


def require_gpus(processes: int) -> None:
    """Raises UserError where `processes` processes on this machine are more than its GPUs: NCCL does not let two
    processes share one. Any number is fine on a machine without a GPU."""
    gpus = usable_gpus()
    if gpus and processes > gpus:
        raise UserError(
            f"{processes} processes on this machine, which has {gpus} GPU{'s' * (gpus > 1)}: each process needs one of "
            "its own; ACCELERATE_USE_CPU=true in front of the command computes on the CPU"
        )


def relaunch(num_processes: int, arguments: Sequence[str]) -> int:
    """Runs `python -P -m xrobust <arguments>` in `num_processes` processes on this machine; returns the exit code.

    Does what torchrun does on one machine, but prints one line instead of a traceback for every process that fails.
    On a machine without a GPU the processes communicate over gloo. Raises UserError where there are fewer GPUs.
    """
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    shared |= {"WORLD_SIZE": str(num_processes), "LOCAL_WORLD_SIZE": str(num_processes), RELAUNCHED: "1"}
    if usable_gpus():
        require_gpus(num_processes)
        # torch's warning that NCCL is left to the end of the process would be a second line after an error.
        shared.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    else:
        shared["ACCELERATE_USE_CPU"] = "true"
        shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // num_processes)))
    # -P: `-m` alone puts the working folder first on the path, whose `yaml.py` would be imported in place of PyYAML.
    command = [sys.executable, "-P", "-m", "xrobust", *arguments]
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
        code = processes[failed].returncode
        for process in processes:
            _end(process)
        if code < 0:
            say(f"xrobust: {_killed(failed, -code)}", error=True)
        elif code == PEER_LOST:
            say(f"xrobust: {PeerLost()}", error=True)
        elif failed > 0 and (processes[0].returncode < 0 or processes[0].returncode == PEER_LOST):
            # The main process was only waiting: what happened is in the words of the one that failed.
            errors[failed - 1].seek(0)
            say(f"process {failed}: {_said(errors[failed - 1].read())}", error=True)
        if signals.TERMINATED in (process.returncode for process in processes):
            return signals.TERMINATED  # whatever the exit codes of the others
        codes = (processes[0].returncode, processes[failed].returncode)
        return next((code for code in codes if code > 0 and code != PEER_LOST), 1)


def _said(output: str) -> str:
    """The line in which a process says why it failed: its own message, or else the last line of its output."""
    lines = output.strip().splitlines() or ["ended without a word"]
    return next((line for line in reversed(lines) if line.startswith("xrobust: ")), lines[-1])


def _killed(rank: int, number: int) -> str:
    """Message about a process that a signal ended, which could print none itself."""
    why = " (as the system does when memory runs out)" if number == signal.SIGKILL else ""
    return (
        f"process {rank} was ended by {signal.Signals(number).name}{why}; "
        "the same command goes on from the last checkpoint"
    )


def _first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Waits until all processes have ended well (returns None) or one has failed (returns its rank).

    One that ended because another had done so before counts only where no other has failed.
    """
    while True:
        failed = [rank for rank, process in enumerate(processes) if process.poll()]
        if failed:
            return next((rank for rank in failed if processes[rank].returncode != PEER_LOST), failed[0])
        running = [process for process in processes if process.poll() is None]
        if not running:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            running[0].wait(timeout=0.2)


def _stop(processes: Sequence[subprocess.Popen[bytes]], number: int) -> int:
    """Passes Ctrl-C or SIGTERM on, a second one too; waits until all have ended, and returns the exit code.

    They write a checkpoint first, however long that takes; once one has ended, the others have 30 seconds.
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
        say(f"xrobust: {signals.message(number)}", error=True)
    return signals.exit_code(number)


def _end(process: subprocess.Popen[bytes], seconds: float = 5) -> None:
    """Gives a process time to end with a message of its own, then kills it: it may wait for the others in vain."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
