"""A sweep: starts the runs of an experiment that are missing, and goes on until all have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from xrobust.errors import RunError, UserError
from xrobust.experiments.executor import Executor
from xrobust.experiments.folder import spec_text, write_spec
from xrobust.experiments.job import Job, Outcome, State
from xrobust.experiments.job_runner import finished_mark, free_space, is_marked_finished, read_status, save_status
from xrobust.experiments.planned_cell import PlannedCell
from xrobust.experiments.sweep_plan import SweepPlan
from xrobust.experiments.tuning import CellTuning
from xrobust.results.experiment_index import ExperimentIndex
from xrobust.results.run_folder import at_work
from xrobust.runtime import signals

LEAST_FREE = 64 << 20
"""Free bytes of the output's disk below which no run is started."""
TICK = 0.2
"""Seconds between two looks at signals, progress and runs of other processes."""
ELSEWHERE_SECONDS = 1.0
"""Seconds between two looks at a run that another process is at work on."""


class View(Protocol):
    """Shows a sweep to its user."""

    def begun(self, sweep: Sweep) -> None:
        """The sweep begins."""

    def started(self, job: Job, *, queued: bool) -> None:
        """A run was started, or `queued` by an engine that starts it when it has room."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A run ended."""

    def say(self, text: str) -> None:
        """One line to the user."""

    def tick(self, sweep: Sweep) -> None:
        """Called a few times a second."""


@dataclass
class Entry:
    """A job of a sweep and its state."""

    job: Job
    planned: PlannedCell
    spec_sha256: str
    """sha256 of its spec."""
    state: State | None = None
    """State in which it ended; None before."""
    running: bool = False
    since: float = 0.0
    """Monotonic time of its start."""
    outcome: Outcome | None = None
    done_before: bool = False
    """True if it was complete before this sweep."""


class Sweep:
    """Carries out a plan with an executor. Nothing on the disk is deleted."""

    def __init__(self, plan: SweepPlan, make_executor: Callable[[], Executor], view: View) -> None:
        """`make_executor` is called when there is something to run. It raises UserError where it cannot be used."""
        self.plan = plan
        self.entries: dict[str, Entry] = {}
        """By the name of the job, in the order in which they became known."""
        self.problems: list[str] = []
        """Reasons why runs of a cell cannot be known."""
        self.never = 0
        """Number of runs that cannot be known: no trial of their cell has a score."""
        self.no_room: str | None = None
        """Reason why nothing is started any more, if the disk is full."""
        self.stopping = False
        self.queued = False
        """True if jobs are handed to an engine with a queue of its own: they need not have begun."""
        self._make_executor = make_executor
        self._view = view
        self._index: ExperimentIndex | None = None
        self._looked = 0.0
        self._unsettled: list[CellTuning] = list(plan.tunings)

    def run(self) -> bool:
        """Runs until nothing is left to do. True if all runs are complete.

        Raises KeyboardInterrupt, or `signals.Terminated`, after a signal: at once after a second one, else when every
        run has written its checkpoint. Raises UserError where the output cannot be written.
        """
        self.plan.folder.require_writable()
        self._add_known()
        self._view.begun(self)
        if self.waiting():
            self._carry_out(self._make_executor())
        return not self.problems and all(entry.state == "complete" for entry in self.entries.values())

    def _carry_out(self, executor: Executor) -> None:
        self.queued = executor.slots is None
        self._view.say(executor.describe())
        try:
            with signals.held():
                self._loop(executor)
        except KeyboardInterrupt:
            if self.running():  # a second signal
                executor.kill()
            raise
        finally:
            executor.close()

    def waiting(self) -> list[Entry]:
        """The jobs that have not begun."""
        return [one for one in self.entries.values() if one.state is None and not one.running]

    def elsewhere(self) -> list[Entry]:
        """The jobs that another process is at work on."""
        return [one for one in self.entries.values() if one.state == "busy"]

    def failed(self) -> list[Entry]:
        """The jobs that failed."""
        return [one for one in self.entries.values() if one.state == "failed"]

    def running(self) -> list[Entry]:
        """The jobs that are handed to the executor."""
        return [one for one in self.entries.values() if one.running]

    def to_come(self) -> int:
        """Number of jobs that are not known yet: they depend on trials."""
        tune = self.plan.experiment.tune
        known = sum(entry.job.trial for entry in self.entries.values())
        trials = 0 if tune is None else max(0, self.plan.trials - known)
        return trials + sum(len(tuning.planned.cell.seeds) for tuning in self._unsettled) if self._unsettled else 0

    def _loop(self, executor: Executor) -> None:
        while True:
            if signals.asked() is not None and not self.stopping:
                self._stop(executor)
            if not self.stopping:
                self._fill(executor)
            if not self.running() and (self.stopping or self.no_room or not (self.waiting() or self.elsewhere())):
                return
            for job, outcome in executor.ended(TICK):
                self._note(job, outcome, shown=outcome.state != "stopped" or executor.stops_runs)
            self._look_elsewhere()
            self._view.tick(self)

    def _stop(self, executor: Executor) -> None:
        self.stopping = True
        running = len(self.running())
        executor.stop()
        if running and executor.stops_runs:
            self._view.say(
                f"stopping: {running} run{'s write' if running > 1 else ' writes'} a checkpoint and "
                f"end{'s' * (running == 1)}; again ends {'them' if running > 1 else 'it'} at once"
            )

    def _fill(self, executor: Executor) -> None:
        """Starts the jobs that there is room for, the longest first."""
        if self._is_full(executor):  # most times; then nothing is sorted
            return
        for entry in sorted(self.waiting(), key=lambda one: self.plan.costs.rank(one.job), reverse=True):
            if self._is_full(executor):
                return
            if is_marked_finished(entry.job, read_status(entry.job)):  # by another sweep
                self._complete(entry)
            elif at_work(entry.job.folder):
                entry.state = "busy"
            elif (free := free_space(entry.job)) < LEAST_FREE:
                self._stop_starting(f"the disk of {entry.job.folder.parents[2]} has {free / 1e6:.0f} MB free")
            else:
                entry.running, entry.since = True, time.monotonic()
                executor.submit(entry.job)
                self._view.started(entry.job, queued=self.queued)

    def _is_full(self, executor: Executor) -> bool:
        """True if nothing more can be started now."""
        return bool(self.no_room) or (executor.slots is not None and len(self.running()) >= executor.slots)

    def _stop_starting(self, reason: str) -> None:
        self.no_room = reason
        self._view.say(f"{reason}: no more runs are started; make room, and the same command goes on")

    def _note(self, job: Job, outcome: Outcome, *, shown: bool) -> None:
        """Takes in the end of a job."""
        entry = self.entries[job.name]
        entry.running, entry.outcome = False, outcome
        if outcome.state == "busy":
            entry.state = "busy"
            return
        entry.state = outcome.state
        if outcome.state == "complete":
            self.plan.costs.note(job, outcome.seconds)
        if shown:
            self._view.ended(job, outcome)
        if outcome.state == "no room" and self.no_room is None:
            self._stop_starting(outcome.reason or "the disk is full")
        if job.trial and not self.stopping:
            self._advance()

    def _complete(self, entry: Entry) -> None:
        entry.state, entry.done_before = "complete", True
        if entry.job.trial:
            self._advance()

    def _look_elsewhere(self) -> None:
        """Looks at the runs that other processes are at work on."""
        if time.monotonic() - self._looked < ELSEWHERE_SECONDS:
            return
        self._looked = time.monotonic()
        for entry in self.elsewhere():
            if is_marked_finished(entry.job, read_status(entry.job)):
                self._complete(entry)
            elif not at_work(entry.job.folder):
                entry.state = None

    def _add_known(self) -> None:
        """Adds all jobs that are known, and writes their specs and the index before the first is started."""
        for planned, settled in self.plan.settled_cells():
            if settled is not None:
                self._add_runs(planned, settled)
        self._advance()

    def _add_runs(self, planned: PlannedCell, settled: PlannedCell) -> None:
        record = next((t.chosen() for t in self.plan.tunings if t.planned is planned), None)
        more = {} if record is None else {"tuning": record}
        for job in self.plan.jobs_of(settled):
            self._add(job, settled, {**settled.spec, "seed": job.seed, **more})

    def _add(self, job: Job, planned: PlannedCell, values: dict[str, object]) -> None:
        if job.name in self.entries:  # two trials with the same values are one run
            return
        entry = self.entries[job.name] = Entry(job, planned, write_spec(job, spec_text(values)))
        if self.plan.is_finished(job, planned):
            entry.state, entry.done_before = "complete", True
            status = read_status(job)
            if not is_marked_finished(job, status):
                save_status(job, {**status, **finished_mark(job)})

    def _advance(self) -> None:
        """Adds the jobs that can be known by now: trials, and the runs of cells whose settings are chosen."""
        changed = True
        while changed:
            changed = False
            for tuning in list(self._unsettled):
                for job, planned in self._next_trials(tuning):
                    self._add(job, planned, {**planned.spec, "seed": job.seed})
                    changed = True
                if (record := tuning.chosen()) is not None:
                    self._unsettled.remove(tuning)
                    self._add_runs(tuning.planned, tuning.final(record))
                    changed = True
        self._save_index()

    def _next_trials(self, tuning: CellTuning) -> list[tuple[Job, PlannedCell]]:
        try:
            return tuning.advance(self._state)
        except (RunError, UserError) as error:
            self._unsettled.remove(tuning)
            self.problems.append(str(error))
            self.never += len(tuning.planned.cell.seeds)
            self._view.say(f"failed: {error}")
            return []

    def _state(self, name: str) -> State | None:
        entry = self.entries.get(name)
        return None if entry is None or entry.running or entry.state == "busy" else entry.state

    def _save_index(self) -> None:
        index = self.plan.index()
        hashes = {entry.job.run_id: entry.spec_sha256 for entry in self.entries.values()}
        runs = tuple(
            run if run.run_id is None else run.model_copy(update={"spec_sha256": hashes.get(run.run_id)})
            for run in index.runs
        )
        index = index.model_copy(update={"runs": runs})
        if index != self._index:
            index.save(self.plan.folder.path)
            self._index = index
