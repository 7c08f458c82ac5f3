"""Cells of an experiment's grid: a task, a method and a model, with the settings and the seeds of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xrobust.config.presets import merged, over_preset
from xrobust.config.run_spec import DEFAULT_MODEL, check_values
from xrobust.errors import UserError, did_you_mean, shown
from xrobust.experiments.experiment_file import Experiment

MOST_RUNS = 1000
"""Runs of an experiment that need no `--yes`."""


@dataclass(frozen=True)
class Cell:
    """One task, method and model of an experiment: runs that differ in their seed alone."""

    task: str
    method: str
    model: str
    values: dict[str, Any]
    """Settings of the runs, keys of RunSpec, without `seed`."""
    seeds: tuple[int, ...]

    @property
    def place(self) -> str:
        """Words for the cell in messages."""
        return f"task {self.task}, method {self.method}, model {self.model}"

    def with_training(self, **settings: Any) -> Cell:
        """The cell with other training settings."""
        training = {**self.values.get("training", {}), **settings}
        return replace(self, values={**self.values, "training": training})


def expand(experiment: Experiment) -> list[Cell]:
    """The cells of an experiment, in the order of its file; those whose runs are all excluded have no seeds.

    Raises UserError for a grid of no runs, and for an exclusion that no run fits.
    """
    cells = [
        _cell(experiment, task, method, model)
        for task in experiment.tasks
        for method in experiment.methods
        for model in experiment.models or ({},)
    ]
    for excluded in experiment.exclude:
        cells = _without(cells, excluded)
    if not any(cell.seeds for cell in cells):
        raise UserError(f"experiment {experiment.name}: 'exclude' leaves no run of its {len(cells)} cells")
    return cells


def _cell(experiment: Experiment, task: Mapping[str, Any], method: Mapping[str, Any], model: Mapping[str, Any]) -> Cell:
    """Settings of a method go before those of a task, of a task before those of a model, of these before `base`."""
    values = {key: value for key, value in experiment.base.items() if key != "preset"}
    for entry in (model, task, method):
        values = merged(values, entry)
    if (preset := experiment.base.get("preset")) is not None:
        values = over_preset(preset, values, check_values)
    values["output"] = str(experiment.output)
    values["experiment"] = experiment.name
    return Cell(task["task"], method["method"], str(values.get("model", DEFAULT_MODEL)), values, experiment.seeds)


def _without(cells: Sequence[Cell], excluded: Mapping[str, Any]) -> list[Cell]:
    """The cells without the seeds that an entry of `exclude` fits. Raises UserError where it fits none."""
    known: dict[str, set[Any]] = {
        "task": {cell.task for cell in cells},
        "method": {cell.method for cell in cells},
        "model": {cell.model for cell in cells},
        "seed": {seed for cell in cells for seed in cell.seeds},
    }
    if not excluded:
        raise UserError("exclude: an entry is empty, which would leave out everything: write {task: ..., method: ...}")
    wanted: dict[str, list[Any]] = {}
    for key, value in excluded.items():
        if key not in known:
            raise UserError(f"exclude: unknown key {key!r}: {did_you_mean(key, known)}")
        wanted[key] = value if isinstance(value, list) else [value]
        for one in wanted[key]:
            if one not in known[key]:
                there = [str(value) for value in known[key]]
                hint = did_you_mean(str(one), there) if key != "seed" else f"there are {', '.join(sorted(there))}"
                raise UserError(f"exclude: no run has {key} {shown(one)}: {hint}")
    left = [_left_of(cell, wanted) for cell in cells]
    if left == list(cells):
        raise UserError(f"exclude: no run fits {shown(dict(excluded))}: leave it out")
    return left


def _left_of(cell: Cell, wanted: Mapping[str, Sequence[Any]]) -> Cell:
    fits = all(getattr(cell, key) in values for key, values in wanted.items() if key != "seed")
    seeds = tuple(seed for seed in cell.seeds if not (fits and seed in wanted.get("seed", (seed,))))
    return replace(cell, seeds=seeds)
