"""The file of an experiment: tasks, methods, models and seeds, and how they are trained and tuned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from xrobust.config.presets import DEFAULT_METHOD
from xrobust.config.run_spec import RunSpec, check_values
from xrobust.config.validation import validated
from xrobust.config.values import beside, read_mapping, resolve_paths, with_method_parameters
from xrobust.errors import UserError, did_you_mean, nearest, shown

FIRST_SEEDS = 1
"""`seeds: 3` stands for this seed and the two after it."""
MOST_SEEDS = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A name of an experiment: a folder has it."""
EXPERIMENT_DECIDES = {
    "seed": "'seeds'",
    "output": "'output' of the experiment",
    "force": "nothing: finished runs are not done again; delete their folders",
    "tuning": "'tune'",
    "experiment": "'name'",
}
"""Settings of a run that an experiment decides itself -> where it does."""


def _as_list(value: Any) -> Any:
    """A single name or section as a list of one."""
    return [value] if isinstance(value, str | dict) else value


Axis = Annotated[tuple[Any, ...], BeforeValidator(_as_list)]


class MatchedBudget(BaseModel):
    """Budget that all methods are trained with: as many optimiser steps as one of them takes by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: Literal["steps"] = Field(default="steps", description="what is made equal: optimiser steps")
    of: str = Field(default=DEFAULT_METHOD, description="the method whose steps the others take")


class Tune(BaseModel):
    """Search for the best settings of each method, on the source dev set."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    trials: int = Field(gt=0, le=10_000, description="trials of each method on each task")
    seeds: tuple[int, ...] = Field(
        default=(101,), min_length=1, description="seeds of a trial, whose scores are averaged"
    )
    space: dict[str, Any] = Field(
        min_length=1,
        description="setting -> [low, high], [low, high, log] or {values: [...]}: training.NAME and method.NAME",
    )
    seed: int = Field(default=0, ge=0, description="seed of the search")

    @field_validator("seeds", mode="before")
    @classmethod
    def _checked_seeds(cls, value: Any) -> Any:
        return seed_list(value)


class Resources(BaseModel):
    """Resources of one run, which an executor such as Ray or Slurm has to find."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cpus: int = Field(default=1, gt=0, description="cores, and threads, of a run")
    gpus: int = Field(default=0, ge=0, description="GPUs of a run")


class Experiment(BaseModel):
    """The content of an experiment's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(description="name of the experiment, and of its folder")
    output: Path = Field(default=Path("runs"), description="folder that runs are written to, relative to the file")
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every run; also `preset: NAME`")
    tasks: Axis = Field(min_length=1, description="tasks, or sections with `task` and more settings")
    methods: Axis = Field(default=(DEFAULT_METHOD,), min_length=1, description="methods, or sections with `method`")
    models: Axis = Field(default=(), description="models, or sections with `model`; that of `base` by default")
    seeds: tuple[int, ...] = Field(default=(1,), min_length=1, description="seeds, or their number: 3 is 1, 2, 3")
    budget: MatchedBudget | None = Field(default=None, description="{match: steps, of: METHOD}")
    tune: Tune | None = Field(default=None, description="{trials: 8, seeds: [101], space: {SETTING: [LOW, HIGH, log]}}")
    exclude: tuple[dict[str, Any], ...] = Field(default=(), description="runs to leave out: {task: ..., method: ...}")
    retries: int = Field(default=1, ge=0, le=100, description="times that a failed run is started again")
    processes: int = Field(default=1, gt=0, description="processes of a run, one a GPU: --num-processes")
    resources: Resources = Field(default_factory=Resources, description="{cpus: N, gpus: N} of a run on Ray or Slurm")
    slurm: dict[str, Any] = Field(
        default_factory=dict, description="parameters of submitit: timeout_min, slurm_partition, slurm_account, ..."
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _checked_seeds(cls, value: Any) -> Any:
        return seed_list(value)

    @field_validator("name")
    @classmethod
    def _checked_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("letters, digits, '.', '_' and '-' make a name, which begins with a letter or digit")
        return value


def seed_list(value: Any) -> Any:
    """`3` -> (1, 2, 3); a list as it is. Raises ValueError for seeds that are there twice, negative or none."""
    if isinstance(value, bool) or not isinstance(value, int | list | tuple):
        raise ValueError("a number of seeds or a list of them is expected, as in 3 or [1, 2, 3]")
    if isinstance(value, int):
        if not 0 < value <= MOST_SEEDS:
            raise ValueError(f"a number of seeds from 1 to {MOST_SEEDS} is expected, or a list of them")
        return tuple(range(FIRST_SEEDS, FIRST_SEEDS + value))
    if isinstance(value, list | tuple):
        if any(isinstance(seed, bool) or not isinstance(seed, int) for seed in value):
            raise ValueError("whole numbers are expected, as in [1, 2, 3]")
        if twice := [seed for seed in value if list(value).count(seed) > 1]:
            raise ValueError(f"{twice[0]} is there twice, which is one run: name each seed once")
        if any(seed < 0 for seed in value):
            raise ValueError("a seed is not negative")
    return value


def read_experiment(path: Path) -> Experiment:
    """The experiment in a YAML file, whose paths are relative to the file. Raises UserError, which names the file."""
    values = {key: value for key, value in read_mapping(path, "name: my-experiment").items() if value is not None}
    if unknown := sorted(values.keys() - Experiment.model_fields.keys()):  # before what is missing: it may be meant
        raise UserError(f"{path}: unknown setting {unknown[0]!r}: {did_you_mean(unknown[0], Experiment.model_fields)}")
    for axis in ("tasks", "methods", "models", "seeds"):
        if values.get(axis, True) in ([], {}, ""):
            raise UserError(f"{path}: {axis!r} is empty, which makes no run: name at least one")
    try:
        experiment = validated(Experiment, values, "")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    sections = {
        "tasks": _axis(experiment.tasks, "task", path),
        "methods": _axis(experiment.methods, "method", path),
        "models": _axis(experiment.models, "model", path),
    }
    return experiment.model_copy(
        update={
            **sections,
            "base": _base(experiment.base, path),
            "output": Path(beside(path.absolute().parent, str(experiment.output))),
            "exclude": tuple(with_method_parameters(one, f"{path}, exclude") for one in experiment.exclude),
        }
    )


def _base(base: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The settings of every run, checked and with their paths resolved; with `preset` as it is given."""
    values = dict(base)
    preset = values.pop("preset", None)
    for axis in ("task", "method"):
        if axis in values:
            raise UserError(f"{path}, base: {axis!r} stands in '{axis}s' of an experiment")
    checked = _settings(values, path, "base")
    if preset is not None:
        if not isinstance(preset, str):
            raise UserError(f"{path}, base: setting 'preset' is {shown(preset)}: a name or a file is expected")
        is_file = preset.endswith((".yaml", ".yml")) or "/" in preset
        checked["preset"] = beside(path.absolute().parent, preset) if is_file else preset
    return checked


def _axis(entries: Sequence[str | dict[str, Any]], key: str, path: Path) -> tuple[dict[str, Any], ...]:
    """The entries of `tasks`, `methods` or `models`, each as settings with `key` among them."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        values = {key: entry} if isinstance(entry, str) else dict(entry)
        if key == "method":
            if "name" in values and "method" not in values:  # {name: rs_aug, copies: 3}
                values = {"method": values}
            values = with_method_parameters(values, f"{path}, methods")
        if not isinstance(values.get(key), str):
            raise UserError(f"{path}, {key}s: {shown(entry)} has no {key!r}: write a name, or {{{key}: NAME, ...}}")
        for other in {"task", "method", "model"} - {key}:
            if other in values:
                raise UserError(f"{path}, {key}s, {values[key]}: {other!r} stands in '{other}s' of an experiment")
        values = _settings(values, path, f"{key}s, {values[key]}")
        if values in found:
            raise UserError(f"{path}, {key}s: {values[key]} is there twice, which is one run: name it once")
        found.append(values)
    return tuple(found)


def _settings(values: dict[str, Any], path: Path, where: str) -> dict[str, Any]:
    """Settings of runs in an experiment's file, checked, with paths as seen from here. Raises UserError."""
    for name, instead in EXPERIMENT_DECIDES.items():
        if name in values:
            raise UserError(f"{path}, {where}: {name!r} is the experiment's to decide: use {instead}")
    if unknown := sorted(values.keys() - RunSpec.model_fields.keys()):
        if where.startswith("methods") and nearest(unknown[0], RunSpec.model_fields) == []:
            hint = f"parameters of a method go beside its name: {{name: {values['method']}, {unknown[0]}: ...}}"
        else:
            known = {*RunSpec.model_fields, *(("preset",) if where == "base" else ())} - EXPERIMENT_DECIDES.keys()
            hint = did_you_mean(unknown[0], known)
        raise UserError(f"{path}, {where}: unknown setting {unknown[0]!r}: {hint}")
    check_values(values, path, where)
    return resolve_paths(values, path.absolute())
