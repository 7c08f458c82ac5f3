"""Parts of an experiment that are compared each by itself: the runs of one task and model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from xrobust.results.asked_runs import AskedRuns
from xrobust.results.experiment_index import ExperimentRun
from xrobust.results.run_filter import RunFilter
from xrobust.results.select import FoundRun, Selection


@dataclass(frozen=True)
class ExperimentPart:
    """The complete runs of an experiment on one task with one model."""

    task: str
    model: str
    """Id of the model; of a model in a folder the folder's name."""
    baseline: str
    """The method that the others are compared with."""
    methods: dict[str, list[FoundRun]]
    """Method that was asked for -> its complete runs."""

    @property
    def name(self) -> str:
        """Task and model, as headings say them."""
        return f"{self.task}, {self.model}"

    def problem(self) -> str | None:
        """The reason why there is nothing to compare, or None."""
        if self.baseline not in self.methods:
            return f"the baseline {self.baseline} is not among the runs asked for"
        if not self.methods[self.baseline]:
            return f"no run of the baseline {self.baseline} is complete"
        if len(self.methods) == 1:
            return f"{self.baseline} is the only method: there is nothing to compare it with"
        if all(not runs for method, runs in self.methods.items() if method != self.baseline):
            return f"no run of another method than the baseline {self.baseline} is complete"
        return None

    def selections(self) -> list[Selection]:
        """The baseline and the other methods, as if they had been named one by one."""
        others = [run for method, runs in self.methods.items() if method != self.baseline for run in runs]
        return [
            Selection(self.baseline, tuple(self.methods[self.baseline]), ()),
            Selection(self.name, tuple(others), ()),
        ]

    def absent(self) -> tuple[str, ...]:
        """Notes on the methods of which no run is complete."""
        return tuple(
            f"NOT COMPARED: {name}: none of its runs is complete" for name, runs in self.methods.items() if not runs
        )


def experiment_parts(selections: Sequence[Selection], where: str | None) -> list[ExperimentPart]:
    """The parts of the experiment that is the only argument; none where it is not the only one, or no experiment.

    They are in the order of the experiment. `where` is the filter that the runs were selected with: a part has the
    methods of which a run may fit it.
    """
    if len(selections) != 1 or (asked := selections[0].experiment) is None:
        return []
    found = {os.path.realpath(run.folder): run for run in selections[0].runs}
    wanted = None if where is None else RunFilter(where)
    complete = {run: found[place] for place, run in asked.by_place.items() if place in found}
    parts: dict[tuple[str, str], list[ExperimentRun]] = {}
    for run in asked.index.runs:
        if run in complete or asked.may_fit(run, wanted):
            parts.setdefault((run.task, run.model), []).append(run)
    return [_part(asked, runs, complete) for runs in parts.values()]


def _part(asked: AskedRuns, runs: Sequence[ExperimentRun], complete: dict[ExperimentRun, FoundRun]) -> ExperimentPart:
    methods: dict[str, list[FoundRun]] = {run.method: [] for run in runs}
    for run in runs:
        if run in complete:
            methods[run.method].append(complete[run])
    ids = [complete[run].result.model.id for run in runs if run in complete]
    model = ids[0] if ids else PurePath(runs[0].model).name
    return ExperimentPart(runs[0].task, model, asked.index.baseline, methods)
