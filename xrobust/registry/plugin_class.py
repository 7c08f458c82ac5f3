"""Check that a plugin class has all that its contract asks for, made when it is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from xrobust.contracts import Kind, Metric, Perturbation, Recipe, Task
from xrobust.contracts.method import STAGES
from xrobust.contracts.parameters import Parameters, default_problem
from xrobust.contracts.perturbation import Need
from xrobust.errors import did_you_mean, shown
from xrobust.registry.record import info_problem

KIND_FIELDS = ("name", "auto_class", "labels", "text_columns", "gold_column")
NEEDS = get_args(Need)
METRICS = ("accuracy", "ece", "macro_f1", "span_f1", "span_f1_strict", "xtreme_f1")
"""Metrics that have names: written out here because the modules of metrics load numpy."""
ERRORS = ("ece",)
"""Those of them of which a lower score is better."""


def class_problem(cls: type, group: str) -> str | None:
    """The first defect of a plugin class, in a few words, or None. No object of it is made."""
    if problem := info_problem(cls, group):
        return problem
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"it does not define {' and '.join(lacking)}"
    return declaration_problem(cls) if group == "tasks" else _changer_problem(cls)


def _changer_problem(cls: Any) -> str | None:
    """The first defect of a method or a perturbation."""
    if issubclass(cls, Perturbation):
        if cls.apply is Perturbation.apply:
            return "it does not define apply"
        if not _is_names(cls.info.kinds):
            return f"its info.kinds is {shown(cls.info.kinds)}: a tuple of names of kinds is expected"
        if type(cls.info.version) is not int:
            return f"its info.version is {shown(cls.info.version)}: a whole number is expected"
        if not isinstance(cls.needs, set | frozenset | tuple | list) or not set(NEEDS).issuperset(cls.needs):
            return f"its needs are {shown(cls.needs)}: a set of {', '.join(map(repr, NEEDS))} is expected"
    elif not set(stages := cls.stages()) <= set(STAGES):
        return f"its stages are {shown(stages)}: some of {', '.join(STAGES)} are expected"
    params = getattr(cls, "Params", None)
    if not (isinstance(params, type) and issubclass(params, Parameters)):
        return "its Params is not a subclass of xrobust.contracts.Parameters"
    return default_problem(params)


def declaration_problem(task: Task | type[Task]) -> str | None:
    """The first defect of what a task, or its class, declares. What a class computes shows in an object alone."""
    if task.info.languages and not _is_names(task.info.languages):
        return f"its info.languages is {shown(task.info.languages)}: a tuple of language codes is expected"
    checks = {
        "kind": _kind_problem,
        "metrics": _metrics_problem,
        "recipe": _recipe_problem,
        "columns": _columns_problem,
    }
    owner = task if isinstance(task, type) else type(task)
    for name, check in checks.items():
        if name == "columns" and (owner.load is not Task.load or task.info.hub is not None):
            continue
        value = getattr(task, name, None)
        if value is None:
            return f"it has no `{name}`"
        if isinstance(value, property):
            continue
        if problem := check(value):
            return problem
    return None


def _kind_problem(kind: Any) -> str | None:
    if isinstance(kind, type):
        return f"its kind is a class: make an object of it, kind = {kind.__name__}(...)"
    if not isinstance(kind, Kind):
        return f"its kind is {shown(kind)}: an object of a subclass of xrobust.contracts.Kind is expected"
    made = f"its kind {type(kind).__name__}"
    if lacking := [name for name in KIND_FIELDS if not hasattr(kind, name)]:
        return f"{made} has no `{lacking[0]}`"
    for name in ("name", "auto_class"):
        if not isinstance(value := getattr(kind, name), str) or not value:
            return f"{made} has the {name} {shown(value)}: a text that is not empty is expected"
    if not _is_names(kind.labels) or len(set(kind.labels)) < len(kind.labels):
        return f"{made} has the labels {shown(kind.labels)}: a tuple of texts is expected, each another"
    return None


def _metrics_problem(metrics: Any) -> str | None:
    if not isinstance(metrics, list | tuple) or not metrics:
        return f"its metrics are {shown(metrics)}: a tuple is expected, as in ('accuracy',)"
    if problem := next(filter(None, map(_metric_problem, metrics)), None):
        return problem
    for names in ([_name(scorer) for scorer in metrics], [one for scorer in metrics for one in _outputs(scorer)]):
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            return f"two of its metrics have the name {twice[0]!r}"
    if _is_error(metrics[0]):
        return f"its first metric, {_name(metrics[0])}, is an error: weights are selected by one that is to be high"
    return None


def _name(scorer: str | Metric) -> str:
    return scorer if isinstance(scorer, str) else scorer.name


def _is_error(scorer: str | Metric) -> bool:
    return scorer in ERRORS if isinstance(scorer, str) else scorer.lower_is_better


def _outputs(scorer: str | Metric) -> Sequence[str]:
    return (scorer,) if isinstance(scorer, str) else scorer.outputs


def _metric_problem(scorer: Any) -> str | None:
    if isinstance(scorer, type):
        return f"its metric {scorer.__name__} is a class: make an object of it"
    if not isinstance(scorer, str | Metric):
        return f"its metric {shown(scorer)} is neither a name nor an object of a subclass of xrobust.contracts.Metric"
    if isinstance(scorer, str):
        return None if scorer in METRICS else f"unknown metric {scorer!r}: {did_you_mean(scorer, METRICS)}"
    if not getattr(scorer, "name", None):
        return f"its metric {type(scorer).__name__} has no `name`"
    if type(scorer.version) is not int:
        return f"its metric {scorer.name} has the version {shown(scorer.version)}: a whole number is expected"
    return None if _is_names(getattr(scorer, "outputs", None)) else f"its metric {scorer.name} has no `outputs`"


def _recipe_problem(recipe: Any) -> str | None:
    if not isinstance(recipe, Recipe):
        return f"its recipe is {shown(recipe)}: a Recipe(...) is expected"
    for name in ("epochs", "learning_rate", "select_every", "batch_size", "max_length"):
        value = getattr(recipe, name)
        if value is None and name == "select_every":
            continue
        types, expected = ((int, float), "a number") if name == "learning_rate" else ((int,), "a whole number")
        if isinstance(value, bool) or not isinstance(value, types) or value <= 0:
            return f"its recipe has {name}={shown(value)}: {expected} above 0 is expected"
    return None


def _columns_problem(columns: Any) -> str | None:
    return None if _is_names(columns) else f"its columns are {shown(columns)}: a tuple of names is expected"


def _is_names(value: Any) -> bool:
    """True for a tuple or list of at least one string. A string alone is a forgotten comma."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(name, str) for name in value)
