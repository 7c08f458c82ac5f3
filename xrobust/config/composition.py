"""Methods combined with `+`: their parts, order and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from xrobust.config.parameters import split_parameters
from xrobust.config.training_settings import TrainingSettings
from xrobust.config.validation import validated
from xrobust.contracts import Method, Task
from xrobust.contracts.calling import blamed, calling, said_by
from xrobust.contracts.parameters import values_problem
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins


def compose(method: str, params: Mapping[str, Any], task: Task, plugins: Plugins) -> list[Method]:
    """The parts of `method` with their parameters, in canonical order.

    `params` is {parameter: value} or {part: {parameter: value}}. Raises UserError for unknown parts and parameters, a
    part that occurs twice, a parameter that several parts have, and parts that cannot be combined.
    """
    names = [name.strip() for name in method.split("+")]
    short = [name.rpartition("/")[2] for name in names]
    for name in short:
        if not name:
            raise UserError(f"method {method!r} has an empty part: write names joined with '+', as in rs_random+lora")
        if short.count(name) > 1:
            raise UserError(f"method {method!r} has {name} twice: each part occurs once")
    classes = {part: plugins.load("methods", name) for part, name in zip(short, names, strict=True)}
    given = split_parameters(params, classes, "method")
    parts = [_part(cls, given[name], task) for name, cls in classes.items()]
    for a, b in combinations(parts, 2):
        if reason := _conflict(a, b) or _conflict(b, a):
            raise UserError(f"method {method!r}: {a.info.name} and {b.info.name} cannot be combined: {reason}")
    return canonical_order(parts)


def _part(cls: type[Method], given: Mapping[str, Any], task: Task) -> Method:
    """A method with the user's parameters over its defaults for a task."""
    where = f"task {task.info.name}"
    with calling(cls, "defaults", where):
        defaults = dict(cls.defaults(task))
        if defaults and (problem := values_problem(cls.Params, defaults)):
            raise blamed(cls, "defaults", where, problem)
    with calling(cls, "Params"):
        params = validated(cls.Params, {**defaults, **given}, f"method.{cls.info.name}")
    with calling(cls, "__init__"):
        return cls(params)


SCHEDULES = frozenset({"dev_looks", "select_every"})
"""Settings of which one takes the place of the other."""


def over_method_defaults(methods: Sequence[Method], task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """Merges the training settings that are `given` over those that the parts of a method bring of their own.

    Raises UserError for a setting that is not given and that two parts want at different values, PluginError for what
    is no setting.
    """
    merged: dict[str, Any] = dict(given)
    by: dict[str, str] = {}
    for part in methods:
        for name, value in training_defaults(part, task).items():
            if name in by and merged[name] != value:
                raise UserError(
                    f"methods {by[name]} and {part.info.name} want training.{name} at {merged[name]} and {value}: "
                    f"give one with --set training.{name}=VALUE"
                )
            if name not in given and not (name in SCHEDULES and given.keys() & SCHEDULES):
                merged[name], by[name] = value, part.info.name
    return merged


def training_defaults(method: Method, task: Task) -> dict[str, Any]:
    """The training settings that a method has in place of the task's recipe. Raises PluginError for what is none."""
    where = f"task {task.info.name}"
    with calling(method, "training_defaults", where):
        its = dict(method.training_defaults(task))
    if its and (problem := values_problem(TrainingSettings, its)):
        raise blamed(method, "training_defaults", where, problem)
    return its


def _conflict(method: Method, other: Method) -> str | None:
    with calling(method, "conflict", other.info.name):
        return said_by(method, "conflict", other.info.name, method.conflict(other))


def canonical_order(parts: Sequence[Method]) -> list[Method]:
    """Parts in stage order (augment, objective, adapt), so that all spellings of a composition are one run.

    Parts that share a stage keep the order in which they were written, which is the order in which they act. Of the
    parts that may come next, the one with the earliest stage does: the lexicographic normal form of traces (Anisimov &
    Knuth 1979), the same for any two spellings that differ by swapping neighbours that share no stage.
    """
    left, ordered = list(parts), []
    while left:
        free = [part for i, part in enumerate(left) if not any(_share_a_stage(part, before) for before in left[:i])]
        chosen = min(free, key=_rank)
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def _share_a_stage(a: Method, b: Method) -> bool:
    return not set(a.stages()).isdisjoint(b.stages())


def _rank(part: Method) -> tuple[int, str]:
    """Sort key of a part: its earliest stage; parts that change none come last, by name."""
    from xrobust.contracts.method import STAGES

    return min((STAGES.index(stage) for stage in part.stages()), default=len(STAGES)), part.info.name
