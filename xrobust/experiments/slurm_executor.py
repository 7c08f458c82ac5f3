"""Jobs as job arrays of a Slurm cluster, submitted by submitit."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.experiments.executor import Executor
from xrobust.experiments.experiment_file import Experiment
from xrobust.experiments.job import Job, Outcome
from xrobust.experiments.slurm_parameters import make_submitter, place_of
from xrobust.experiments.slurm_task import SlurmTask
from xrobust.runtime.screen import say
from xrobust.storage.atomic import write_atomically

MOST_LOSSES = 3
"""Times that a job which Slurm lost is submitted again."""
LARGEST_ARRAY = 1000
"""Jobs of one array: Slurm's own limit, MaxArraySize, is 1001 unless a cluster sets another."""
LOOK_SECONDS = 1.0
"""Seconds between two looks at the jobs. Slurm itself is asked less often, as submitit decides."""
RESULT_SECONDS = 15.0
"""Seconds in which the result of a job that has ended arrives on the shared disk."""


class SlurmExecutor(Executor):
    """Job arrays in the queue of Slurm. Ctrl-C leaves them there, and the same command attaches to them again."""

    stops_runs = False

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        """`folder` holds submitit's files, and the ids of the jobs. Raises UserError as `make_submitter` does."""
        logging.getLogger("submitit").setLevel(logging.ERROR)
        self._submitter = make_submitter(experiment, folder)
        self._place = place_of(experiment)
        self._ids = folder / "jobs.json"
        self._pending: list[Job] = []
        self._running: dict[str, tuple[Job, Any]] = {}
        self._over: dict[str, float] = {}
        self._lost: Counter[str] = Counter()
        self._looked = 0.0
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Takes a job; all that are taken before the next `ended` become one array."""
        self._pending.append(job)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Submits what was taken, and looks at what has ended. Raises UserError where Slurm does not take a job."""
        if self._stopping:
            return self._leave()
        self._submit()
        time.sleep(seconds)
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return []
        self._looked = time.monotonic()
        found = []
        for job, submitted in list(self._running.values()):
            if (end := self._end(job, submitted)) is not None:
                del self._running[job.name]
                self._over.pop(job.name, None)
                if (outcome := self._again(job, end) if isinstance(end, str) else end) is not None:
                    found.append((job, outcome))
        self._save_ids()
        return found

    def stop(self) -> None:
        """Leaves the jobs in the queue, and says how to cancel them."""
        self._stopping = True
        if self._running:
            ids = sorted({submitted.job_id.partition("_")[0] for _, submitted in self._running.values()})
            say(
                f"{len(self._running)} jobs stay in Slurm's queue, and the same command goes on to watch them; "
                f"to cancel them: scancel {' '.join(ids)}"
            )

    def kill(self) -> None:
        """Leaves the jobs in the queue too: another sweep may watch them."""
        self._stopping = True

    def describe(self) -> str:
        """`Slurm: 3 PENDING, 2 RUNNING`."""
        states = Counter(submitted.state for _, submitted in self._running.values())
        counts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"Slurm: {counts or 'nothing submitted yet'}"

    def _leave(self) -> list[tuple[Job, Outcome]]:
        left = [*self._pending, *(job for job, _ in self._running.values())]
        self._pending, self._running = [], {}
        return [(job, Outcome("stopped")) for job in left]

    def _submit(self) -> None:
        """Submits the jobs that are not in the queue already, as an array."""
        ids, jobs = self._read_ids(), []
        for job in self._pending:
            if (submitted := self._in_queue(ids.get(job.name))) is None:
                jobs.append(job)
            else:
                self._running[job.name] = (job, submitted)
        attached = len(self._pending) - len(jobs)
        if attached:
            say(f"{attached} jobs are in Slurm's queue already")
        self._pending = []
        for begin in range(0, len(jobs), LARGEST_ARRAY):
            self._submit_array(jobs[begin : begin + LARGEST_ARRAY])

    def _submit_array(self, jobs: list[Job]) -> None:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            submitted = self._submitter.submit_array([SlurmTask(job, self._place) for job in jobs])
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            raise UserError(f"Slurm does not take the jobs: {_reason(error)}") from None
        self._running |= {job.name: (job, one) for job, one in zip(jobs, submitted, strict=True)}
        self._save_ids()
        say(f"submitted {len(jobs)} jobs to Slurm: {submitted[0].job_id.partition('_')[0]}")

    def _in_queue(self, job_id: str | None) -> Any | None:
        """The job of an earlier sweep, if Slurm says that it is queued or running."""
        if job_id is None:
            return None
        from submitit import SlurmJob

        submitted = SlurmJob(self._submitter.folder, job_id)
        known = submitted.watcher.get_state(job_id, mode="standard") != "UNKNOWN"
        return submitted if known and not submitted.done() else None

    def _end(self, job: Job, submitted: Any) -> Outcome | str | None:
        """The outcome of a job, or the reason why Slurm lost it; None where it goes on."""
        if submitted.paths.result_pickle.exists():
            return self._result(submitted)
        if not submitted.done():
            self._over.pop(job.name, None)
            return None
        since = self._over.setdefault(job.name, time.monotonic())
        if time.monotonic() - since < RESULT_SECONDS:
            return None
        reason = f"job {submitted.job_id}: Slurm says {submitted.state} ({submitted.paths.stderr})"
        return Outcome("failed", reason) if submitted.state.startswith("CANCELLED") else reason

    def _result(self, submitted: Any) -> Outcome | str:
        """The outcome that a job gave back, or the reason why it has to be submitted again."""
        try:
            outcome: Outcome = submitted.result()
        except Exception as error:  # whatever the job raised, such as a node that has no xrobust
            return Outcome("failed", f"job {submitted.job_id}: {_reason(error)} ({submitted.paths.stderr})")
        if outcome.state == "stopped":  # by a preemption, after which nobody queued it again
            return f"job {submitted.job_id}: it was told to stop"
        return outcome

    def _again(self, job: Job, reason: str) -> Outcome | None:
        """Submits a lost job again; the outcome after `MOST_LOSSES` times."""
        self._lost[job.name] += 1
        if self._lost[job.name] > MOST_LOSSES:
            return Outcome("failed", f"lost {self._lost[job.name]} times; the last time: {reason}")
        say(f"lost      {job.name}: {reason}; it is submitted again")
        self._pending.append(job)
        return None

    def _read_ids(self) -> dict[str, str]:
        try:
            found = json.loads(self._ids.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save_ids(self) -> None:
        """Notes the ids of the jobs, so that the same command finds them again."""
        text = json.dumps({name: submitted.job_id for name, (_, submitted) in self._running.items()}, indent=1)
        write_atomically(self._ids, lambda file: file.write(text.encode()))


def _reason(error: BaseException) -> str:
    """The last line of an error, where commands and tracebacks say what happened."""
    lines = [line for line in str(error).strip().splitlines() if line.strip(" -")]
    told = [line for line in lines if not line.startswith(("You can check", "  - "))]
    return (told or lines or [type(error).__name__])[-1].strip()
