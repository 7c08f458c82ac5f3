"""A job as submitit carries it out on a node of a Slurm cluster."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from xrobust.experiments.job import Job, Outcome, Place
from xrobust.experiments.job_runner import JobRunner


class SlurmTask:
    """A callable that carries out a job. submitit calls `checkpoint` before the time limit, and at a preemption.

    The run is waited for on a thread: submitit calls `checkpoint` in a signal handler, which interrupts the main thread
    anywhere, and must not wait for a lock that it holds.
    """

    def __init__(self, job: Job, place: Place) -> None:
        self._job = job
        self._place = place
        self._runner: JobRunner | None = None
        self._future: Future[Outcome] | None = None

    def __call__(self) -> Outcome:
        """Carries out the job, and returns its outcome."""
        from submitit.core.utils import UncompletedJobError

        self._runner = runner = JobRunner(self._job, self._place)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())  # scancel, and a preemption without a requeue
        with ThreadPoolExecutor(1, initializer=_block_user_signal) as pool:
            self._future = future = pool.submit(runner.run)
            try:
                return future.result()
            except UncompletedJobError as error:  # submitit does not queue it again
                outcome = future.result()
                return Outcome("failed", str(error), outcome.attempts) if outcome.state == "stopped" else outcome

    def checkpoint(self) -> Any:
        """Has the run write a checkpoint and end. A submission of the same job; None where it had ended already."""
        from submitit.helpers import DelayedSubmission

        if self._future is not None:
            self._stop()
            if self._future.result().state != "stopped":
                return None
        return DelayedSubmission(SlurmTask(self._job, self._place))

    def _stop(self) -> None:
        if self._runner is not None:
            threading.Thread(target=self._runner.stop).start()


def _block_user_signal() -> None:
    """Blocks SIGUSR2 in this thread and in processes that it starts: some Slurms send it to all processes of a job, and
    it would end the run before it has a checkpoint."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
