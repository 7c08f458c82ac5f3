"""Seconds that runs of an experiment will probably take, from those that are done."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from xrobust.experiments.job import Job


class Costs:
    """Seconds of complete runs, by cell; and by optimiser step, for cells that none is complete of."""

    def __init__(self) -> None:
        self._by_cell: dict[tuple[str, str, str, bool], list[float]] = defaultdict(list)
        self._by_step: dict[str, list[float]] = defaultdict(list)

    def note(self, job: Job, seconds: float) -> None:
        """Notes what a complete run took."""
        self._by_cell[_cell(job)].append(seconds)
        if job.steps:
            for known in (job.task, ""):
                self._by_step[known].append(seconds / job.steps)

    def note_status(self, job: Job, status: Mapping[str, Any]) -> None:
        """Notes what a run took by its status file, if it is complete."""
        if status.get("state") == "complete" and (attempts := status.get("attempts")):
            self.note(job, sum(float(attempt["seconds"]) for attempt in attempts))

    def expected(self, job: Job) -> float | None:
        """The mean of the cell's runs; else the steps times the mean of a step of its task, or of any; else None."""
        if its := self._by_cell.get(_cell(job)):
            return statistics.fmean(its)
        rates = self._by_step.get(job.task) or self._by_step.get("")
        return statistics.fmean(rates) * job.steps if rates and job.steps else None

    def rank(self, job: Job) -> tuple[bool, float, float]:
        """Sort key of jobs: trials, which others wait for, then the longest; steps where no seconds are known."""
        expected = self.expected(job)
        return job.trial, float("inf") if expected is None else expected, float(job.steps or 0)


def _cell(job: Job) -> tuple[str, str, str, bool]:
    return job.task, job.method, job.model, job.trial


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
