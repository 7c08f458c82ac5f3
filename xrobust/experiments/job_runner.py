"""Carries out one job on the machine that it is called on: starts its run, and again after a failure."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from xrobust.experiments.job import Attempt, Job, Outcome, Place
from xrobust.experiments.run_process import RunProcess, run_command
from xrobust.results.run_folder import at_work, says_at_work, says_disk_is_full
from xrobust.results.schema import now
from xrobust.results.store import RESULT
from xrobust.runtime.signals import INTERRUPTED, TERMINATED
from xrobust.storage.atomic import replace_content
from xrobust.storage.file_memo import file_state

OUT_OF_MEMORY = "out of memory"


class JobRunner:
    """Starts the run of a job, up to `retries` times more after failures; can be told to stop from another thread."""

    def __init__(
        self, job: Job, place: Place, command: Callable[[Job, Sequence[str]], list[str]] = run_command
    ) -> None:
        """`command` gives the command of a job with more arguments."""
        self._job = job
        self._place = place
        self._command = command
        self._process: RunProcess | None = None
        self._guard = threading.Lock()
        self._stopping = False

    def run(self) -> Outcome:
        """Carries out the job. Raises nothing: whatever goes wrong is in the outcome, and in the job's status file."""
        attempts: list[Attempt] = []
        micro: int | None = None
        while True:
            if at_work(self._job.folder):
                return Outcome("busy", attempts=tuple(attempts))
            attempt = self._attempt(micro)
            if attempt is None:
                return self._ended(Outcome("stopped", attempts=tuple(attempts)))
            attempts.append(attempt)
            if (outcome := self._settled(attempts)) is not None:
                return outcome if outcome.state == "busy" else self._ended(outcome)
            micro = self._next_size(attempt)

    def stop(self) -> None:
        """Asks the run to write a checkpoint and to end; no other attempt is begun."""
        with self._guard:
            self._stopping = True
            if self._process is not None:
                self._process.stop()

    def kill(self) -> None:
        """Ends the run at once."""
        with self._guard:
            self._stopping = True
            if self._process is not None:
                self._process.kill()

    def _attempt(self, micro: int | None) -> Attempt | None:
        """Starts the run and waits for its end; None where it is not to be started any more."""
        more = [] if micro is None else ["--set", f"micro_batch_size={micro}"]
        began, clock = now(), time.monotonic()
        try:
            with self._guard:
                if self._stopping:
                    return None
                self._process = process = RunProcess(self._job, self._place, self._command(self._job, more))
        except OSError as error:
            return Attempt(began, 0.0, 1, f"the run cannot be started: {error.strerror or error}", micro)
        code = process.wait()
        with self._guard:
            self._process = None
        reason = None if code == 0 else process.reason(code)
        return Attempt(began, round(time.monotonic() - clock, 3), code, reason, micro)

    def _settled(self, attempts: list[Attempt]) -> Outcome | None:
        """The outcome after an attempt; None where the run is to be started again."""
        last = attempts[-1]
        if last.exit_code == 0:
            return Outcome("complete", attempts=tuple(attempts))
        if self._stopping and last.exit_code in (TERMINATED, INTERRUPTED, -signal.SIGTERM, -signal.SIGKILL):
            return Outcome("stopped", last.reason, tuple(attempts))
        reason = last.reason or ""
        if says_at_work(reason):  # another process was quicker to take the run
            return Outcome("busy", attempts=tuple(attempts[:-1]))
        if says_disk_is_full(reason):
            return Outcome("no room", reason, tuple(attempts))
        if self._stopping or len(attempts) > self._job.retries:
            return Outcome("failed", reason, tuple(attempts))
        return None

    def _next_size(self, attempt: Attempt) -> int | None:
        """The size of micro-batches for the next attempt: half of the last, where memory ran out."""
        last = attempt.micro_batch_size
        killed = attempt.exit_code == -signal.SIGKILL
        if not killed and OUT_OF_MEMORY not in (attempt.reason or "").lower():
            return last
        return max(1, (last or self._job.batch_size) // 2)

    def _ended(self, outcome: Outcome) -> Outcome:
        """Notes the attempts in the job's status file, after those that it has."""
        before = read_status(self._job).get("attempts", [])
        status: dict[str, Any] = {"attempts": [*before, *map(asdict, outcome.attempts)], "state": outcome.state}
        if outcome.state == "complete":
            status |= finished_mark(self._job)
        save_status(self._job, status)
        with contextlib.suppress(OSError):
            self._job.progress.unlink()
        return outcome


def read_status(job: Job) -> dict[str, Any]:
    """The status file of a job; empty where there is none that can be read."""
    try:
        found = json.loads(job.status.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def save_status(job: Job, status: dict[str, Any]) -> None:
    """Writes the status file of a job; on a full disk it is left as it is."""
    with contextlib.suppress(OSError):
        replace_content(job.status, (json.dumps(status, indent=1) + "\n").encode())


def finished_mark(job: Job) -> dict[str, Any]:
    """Part of a status that says which document was found complete, and with what scores asked for."""
    return {"document": file_state(job.folder / RESULT), "asked": job.asked}


def is_marked_finished(job: Job, status: dict[str, Any]) -> bool:
    """True if a job's document was found complete, and neither it nor what is asked for has changed since."""
    document = status.get("document")
    return document is not None and status.get("asked") == job.asked and file_state(job.folder / RESULT) == document


def free_space(job: Job) -> int:
    """Free bytes on the disk that a job writes to."""
    folder = next(path for path in (job.folder, *job.folder.parents) if path.exists())
    return shutil.disk_usage(folder).free
