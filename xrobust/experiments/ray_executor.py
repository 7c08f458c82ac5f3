"""Jobs as tasks of a Ray cluster, each with the cores and GPUs of a run."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from xrobust.errors import RunError, UserError
from xrobust.experiments.executor import Executor
from xrobust.experiments.experiment_file import Experiment
from xrobust.experiments.job import Job, Outcome, Place
from xrobust.experiments.job_runner import JobRunner
from xrobust.experiments.ray_resources import described, lacking, place_of, task_options
from xrobust.runtime.screen import say

MOST_LOSSES = 3
"""Times that a job is handed over again after its node or its worker was lost."""
LOOK_SECONDS = 0.2
"""Seconds between two looks of a worker at whether its run is to stop."""
STORE_BYTES = 100 << 20
"""Size of the object store of a Ray that is started here: nothing but jobs and outcomes goes through it."""


class RayExecutor(Executor):
    """Tasks on the Ray cluster of RAY_ADDRESS, or that runs on this machine, or that is started here for the sweep."""

    def __init__(self, experiment: Experiment) -> None:
        """Connects to the cluster.

        Raises UserError where Ray is not installed, the cluster does not answer, or no node of it has the resources of
        a run.
        """
        self._ray = require_ray()
        self._where = _connect(self._ray)
        nodes = self._nodes()
        self._options = task_options(experiment, any(node.get("GPU") for node in nodes))
        if problem := lacking(self._options, nodes):
            self.close()
            raise UserError(problem)
        self._place = place_of(self._options)
        self._task = self._ray.remote(carry_out)
        self._running: dict[Any, Job] = {}
        self._lost: dict[str, int] = {}
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Queues a task."""
        self._running[self._task.options(**self._options, name=job.name).remote(job, self._place)] = job

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Waits for the first task to end. One whose node or worker was lost is handed over again.

        Raises RunError where no node is left that has the resources of a run.
        """
        references = list(self._running)
        first, others = self._ray.wait(references, timeout=seconds) if references else ([], [])
        more = self._ray.wait(others, num_returns=len(others), timeout=0)[0] if first and others else []
        found = []
        for reference in (*first, *more):
            job = self._running.pop(reference)
            if (outcome := self._outcome(reference, job)) is None:
                self._require_room()
                self.submit(job)
            else:
                found.append((job, outcome))
        return found

    def stop(self) -> None:
        """Cancels the tasks that have not begun; the runs of the others write a checkpoint."""
        self._stopping = True
        self._cancel()

    def kill(self) -> None:
        """Cancels a second time, which ends the runs at once, and waits until they have ended."""
        self._stopping = True
        self._cancel()
        self._ray.wait(list(self._running), num_returns=len(self._running), timeout=5.0)

    def close(self) -> None:
        """Leaves the cluster, and ends it if it was started here."""
        self._ray.shutdown()

    def describe(self) -> str:
        """`Ray at 10.0.0.1:6379, 2 cores and 1 GPU a run`."""
        return f"Ray at {self._where}, {described(self._options)} a run"

    def _cancel(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference)

    def _outcome(self, reference: Any, job: Job) -> Outcome | None:
        """The outcome of a task that has ended; None where it is to be handed over again."""
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(reference)
            return outcome
        except errors.TaskCancelledError:
            return Outcome("stopped")
        except errors.RayTaskError as error:  # such as a worker that has no xrobust
            return Outcome("failed", f"Ray could not carry it out: {_last_line(error)}")
        except errors.RayError as error:
            if self._stopping:
                return Outcome("stopped", _first_sentence(error))
            self._lost[job.name] = self._lost.get(job.name, 0) + 1
            if self._lost[job.name] > MOST_LOSSES:
                times = self._lost[job.name]
                return Outcome(
                    "failed", f"its node or worker was lost {times} times; the last time: {_first_sentence(error)}"
                )
            say(f"lost      {job.name}: {_first_sentence(error)}; it is started again")
            return None

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of each node."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _require_room(self) -> None:
        if problem := lacking(self._options, self._nodes()):
            raise RunError(f"{problem}; then the same command goes on")


def carry_out(job: Job, place: Place) -> Outcome:
    """Carries out a job on a worker. Ray cancels by KeyboardInterrupt: the first stops the run, a second ends it.

    The run is waited for on a thread, since Ray's interrupt does not wake up a thread that waits.
    """
    runner = JobRunner(job, place)
    end = runner.stop
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(runner.run)
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                continue
            except KeyboardInterrupt:
                end()
                end = runner.kill


def require_ray() -> Any:
    """Ray. Raises UserError where it is not installed."""
    try:
        import ray
    except ImportError:
        raise UserError("--executor ray needs Ray: pip install 'xrobust[ray]'") from None
    return ray


def _connect(ray: Any) -> str:
    """Connects to a cluster, or starts one on this machine, and returns its address. Raises UserError."""
    with _own_signals():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to Ray's makers
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address="auto", **quiet)
        except (ConnectionError, ValueError) as error:
            if address := os.environ.get("RAY_ADDRESS"):
                raise UserError(f"RAY_ADDRESS={address}: no Ray cluster answers: {_first_sentence(error)}") from None
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=_cores(),
                object_store_memory=STORE_BYTES,
                **quiet,
            )
            return "this machine"
        return str(ray.get_runtime_context().gcs_address)


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Context after which SIGTERM is handled as before: Ray takes it over when it connects."""
    previous = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first_sentence(error: BaseException) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line.partition(". ")[0].rstrip(".")


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
