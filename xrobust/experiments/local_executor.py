"""Jobs as processes on this machine, each pinned to its GPUs or to its share of the cores."""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from xrobust.errors import UserError
from xrobust.experiments.executor import Executor
from xrobust.experiments.job import Job, Outcome, Place
from xrobust.experiments.job_runner import JobRunner


class LocalExecutor(Executor):
    """A pool with a process for each place: a share of the cores that this process may use, and of the GPUs."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.slots = jobs = len(places)
        self._places: queue.SimpleQueue[Place] = queue.SimpleQueue()
        for place in places:
            self._places.put(place)
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="job")
        self._done: queue.SimpleQueue[tuple[Job, Outcome]] = queue.SimpleQueue()
        self._running: dict[str, JobRunner] = {}
        self._described = _described(places[0], jobs)

    def submit(self, job: Job) -> None:
        """Starts a job; there are never more of them than slots."""
        runner = JobRunner(job, place := self._places.get_nowait())
        self._running[job.name] = runner
        self._pool.submit(self._carry_out, job, runner, place)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Waits for the first job to end."""
        found = []
        try:
            found.append(self._done.get(timeout=seconds))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            pass
        for job, _ in found:
            del self._running[job.name]
        return found

    def stop(self) -> None:
        """Sends SIGTERM to each run."""
        for runner in list(self._running.values()):
            runner.stop()

    def kill(self) -> None:
        """Sends SIGKILL to each run and its processes."""
        for runner in list(self._running.values()):
            runner.kill()

    def close(self) -> None:
        """Ends the threads of the pool."""
        self._pool.shutdown(wait=True)

    def describe(self) -> str:
        """`on this machine, 2 at once, 1 thread each`."""
        return self._described

    def _carry_out(self, job: Job, runner: JobRunner, place: Place) -> None:
        try:
            outcome = runner.run()
        except Exception as error:  # a thread's exception would be seen by nobody
            outcome = Outcome("failed", f"{type(error).__name__}: {error}")
        self._places.put(place)
        self._done.put((job, outcome))


def local_places(jobs: int | None, processes: int) -> list[Place]:
    """The shares of this machine, one for each job that runs at once.

    By default one job for each GPU (for each `processes` GPUs, where a run has several), and one job where there is no
    GPU. Raises UserError for more jobs than cores, and where a run needs more GPUs than there are.
    """
    from xrobust.runtime.processes import require_gpus

    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    gpus = visible_gpus()
    require_gpus(processes)
    if jobs is None:
        jobs = max(1, len(gpus) // processes)
    if jobs > len(cores) and not gpus:
        raise UserError(f"--jobs {jobs}: this machine lets xrobust use {len(cores)} cores: give at most that many")
    if gpus and jobs * processes > len(gpus):
        raise UserError(
            f"--jobs {jobs}: runs of {processes} processes need {jobs * processes} GPUs, and there are {len(gpus)}"
        )
    each = len(cores) // jobs
    return [
        Place(
            cores=tuple(cores[i * each : (i + 1) * each]) if jobs > 1 else (),  # none: fewer cores than GPUs
            threads=None if gpus else _threads(each),
            gpus=tuple(gpus[i * processes : (i + 1) * processes]) if gpus else None,
        )
        for i in range(jobs)
    ]


def _threads(cores: int) -> int:
    """The number of threads that the user set, or else that of the cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else cores


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    from xrobust.runtime.processes import usable_gpus

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(number) for number in range(usable_gpus())])[: usable_gpus()]


def _described(place: Place, jobs: int) -> str:
    share = f", each with {len(place.gpus)} GPU{'s' * (len(place.gpus) != 1)}" if place.gpus else ""
    threads = f", {place.threads} thread{'s' * (place.threads != 1)} each" if place.threads else ""
    return f"on this machine, {jobs} at once{threads}{share}"
