"""A run in a process of its own: `xrobust run --config FILE`, its output in a log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from xrobust.experiments.job import Job, Place
from xrobust.runtime.parent_watch import PARENT_PIPE
from xrobust.runtime.progress_file import PROGRESS_FILE

LOG_END = 1 << 16
"""Bytes at the end of a log that the reason of a failure is looked for in."""


def run_command(job: Job, more: Sequence[str] = ()) -> list[str]:
    """The command that carries out a job; anyone can give it again by hand."""
    # -P: `-m` alone puts the working folder first on the path.
    command = [sys.executable, "-P", "-m", "xrobust", "run", "--config", str(job.spec), *more]
    return [*command, "--num-processes", str(job.processes)] if job.processes > 1 else command


class RunProcess:
    """The process of a run, in a session of its own: signals of the terminal reach it through the sweep alone.

    It ends, with a checkpoint, when the process that made this object is gone. Raises OSError where it cannot be
    started.
    """

    def __init__(self, job: Job, place: Place, command: Sequence[str]) -> None:
        self._log = job.log
        self._lifeline: int | None = None
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.progress.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            job.progress.unlink()
        reading, self._lifeline = os.pipe()
        try:
            with job.log.open("ab") as log:
                self._begin = log.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_environment(job, place, reading),
                    pass_fds=(reading,),
                    start_new_session=True,
                )
        except OSError:
            self._close()
            raise
        finally:
            os.close(reading)
        if place.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # a container may forbid it, and the process may be gone
                os.sched_setaffinity(self._process.pid, place.cores)

    def wait(self) -> int:
        """Waits for the end; the exit code, or the negative number of the signal that ended it."""
        code = self._process.wait()
        self._close()
        return code

    def stop(self) -> None:
        """Asks the run to write a checkpoint and to end."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the run, and processes of its own, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def reason(self, code: int) -> str:
        """The line in which the run says why it failed."""
        if code < 0:
            why = " (as the system does when memory runs out)" if -code == signal.SIGKILL else ""
            return f"it was ended by {signal.Signals(-code).name}{why}"
        lines = self._output().splitlines()
        said = [line for line in lines if line.startswith("xrobust: ")]
        return (said or lines or [f"exit code {code}"])[-1].removeprefix("xrobust: ").strip()

    def _output(self) -> str:
        """The end of all that this process printed."""
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._begin, size - LOG_END))
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _close(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _environment(job: Job, place: Place, lifeline: int) -> dict[str, str]:
    env = {**os.environ, PARENT_PIPE: str(lifeline), PROGRESS_FILE: str(job.progress), "PYTHONUNBUFFERED": "1"}
    if place.threads is not None:
        env["OMP_NUM_THREADS"] = str(max(1, place.threads // job.processes))
    if place.gpus is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(place.gpus)
    return env
