"""Finds the runs to analyse, groups repetitions, and averages their scores over seeds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.config.resolved_spec import MethodSpec, TrainSpec
from xrobust.errors import UserError, shown
from xrobust.results.schema import RunResult
from xrobust.results.select import each_once, path_text, select_all
from xrobust.results.small_samples import is_small, least_examples
from xrobust.results.worst_case import scored_rows
from xrobust.storage.hashing import canonical_json


@dataclass(frozen=True)
class Group:
    """Complete runs that differ in their seed alone."""

    method: str
    """The method's name; where `RUNS` has several of that name for one purpose, with the parameters, and in brackets
    the settings, that tell it from the others."""
    results: tuple[RunResult, ...]

    @property
    def train(self) -> TrainSpec:
        """The training spec that they share, but for the seed."""
        return self.results[0].spec.train

    @property
    def group_id(self) -> str:
        return self.results[0].group_id

    @property
    def seeds(self) -> list[int]:
        return [result.spec.train.seed for result in self.results]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the method."""
        return tuple(part.name for part in self.train.method)


def find_runs(arguments: Iterable[Path | str], below: Path = Path("runs")) -> tuple[list[RunResult], list[str]]:
    """The complete runs that any of the arguments stands for, each once; and notes on what was left out.

    Arguments are paths, globs, ids and filters, as `select_all` takes them; ids and filters look below the folder
    `below`. Raises UserError for an argument that nothing fits, and where there is no complete run at all.
    """
    given = [path_text(argument) for argument in arguments]
    selections = select_all(given, below)
    runs, repeated = each_once(run for selection in selections for run in selection.runs)
    left_out = [one for selection in selections for one in selection.left_out] + repeated
    notes = list(dict.fromkeys(f"{one.path}: {one.reason}: left out" for one in left_out))
    if not runs:
        raise UserError(f"no complete run in {', '.join(given)} ({notes[0] if notes else 'xrobust runs FOLDER'})")
    return [run.result for run in runs], notes


def grouped(results: Iterable[RunResult]) -> list[Group]:
    """Groups runs by group id, seeds in order; groups in the order of task, source and method."""
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group_id, []).append(result)
    runs = [tuple(sorted(repetitions, key=lambda result: result.spec.train.seed)) for repetitions in groups.values()]
    labels = _labels([repetitions[0] for repetitions in runs])
    together = [Group(label, repetitions) for label, repetitions in zip(labels, runs, strict=True)]
    return sorted(together, key=lambda group: (group.train.task, group.train.source, group.method, group.group_id))


def _labels(results: Sequence[RunResult]) -> list[str]:
    """Labels of groups, given a run of each: different ones for groups of one purpose.

    The method's label; the settings that differ, where a task and model have several of that label; and where that is
    not enough, as of two versions of the spec, the group's id.
    """
    trains = [result.spec.train for result in results]
    labels = method_labels([train.method for train in trains])
    alike: dict[tuple[str, str], list[TrainSpec]] = {}
    for label, train in zip(labels, trains, strict=True):
        alike.setdefault((label, purpose_id(train, "source", "data")), []).append(train)
    found = []
    for label, train in zip(labels, trains, strict=True):
        others = alike[label, purpose_id(train, "source", "data")]
        # Null says nothing in a label, and the others' value tells them apart as well.
        mine = {name: value for name, value in _flat(_how(train)).items() if value is not None}
        differing = [name for name in mine if any(_flat(_how(other)).get(name) != mine[name] for other in others)]
        parts = [f"{name.removeprefix('training.')} {mine[name]}" for name in differing]
        found.append(f"{label} [{', '.join(parts)}]" if parts else label)
    counts = Counter((label, purpose_id(train)) for label, train in zip(found, trains, strict=True))
    return [
        f"{label} [{result.group_id}]" if counts[label, purpose_id(result.spec.train)] > 1 else label
        for label, result in zip(found, results, strict=True)
    ]


def method_labels(methods: Sequence[Sequence[MethodSpec]]) -> list[str]:
    """Names of methods; of those that occur with several parameters, the ones that differ too."""
    names = ["+".join(part.name for part in method) for method in methods]
    labels = []
    for name, method in zip(names, methods, strict=True):
        alike = [_parameters(other) for other, its in zip(methods, names, strict=True) if its == name]
        mine = _parameters(method)
        differing = [key for key in mine if any(other.get(key) != mine[key] for other in alike)]
        labels.append(f"{name}({', '.join(f'{key}={mine[key]}' for key in differing)})" if differing else name)
    return labels


def _parameters(method: Sequence[MethodSpec]) -> dict[str, Any]:
    several = len(method) > 1
    return {f"{part.name}.{key}" if several else key: value for part in method for key, value in part.params.items()}


PURPOSE = ("task", "task_plugin_version", "task_plugin_sha256", "model", "source", "limit", "data")
"""Parts of a training spec that say what is trained for what. The others (method, hyperparameters, precision) say how:
each method has its own, tuned."""


def purpose_id(train: TrainSpec, *without: str) -> str:
    """Hash of the purpose of a training, of all parts but `without`: equal for methods that may be compared."""
    parts = train.model_dump(mode="json", include=set(PURPOSE) - set(without))
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:16]


def _how(train: TrainSpec) -> dict[str, Any]:
    """The settings of a training that are neither its purpose nor its method."""
    return train.model_dump(mode="json", include={"training", "precision"})


def differing_settings(one: TrainSpec, other: TrainSpec) -> list[str]:
    """The settings in which two trainings differ, with both values: `training.learning_rate 0.0005 and 0.002`."""
    names = differences(one, other)
    return [f"{name} {setting_text(one, name)} and {setting_text(other, name)}" for name in names]


def differences(one: TrainSpec, other: TrainSpec) -> list[str]:
    """Names of the settings in which two trainings differ, but for method and seed: `training.epochs`, `source`."""
    a, b = (_flat(train.model_dump(mode="json", exclude={"seed", "method"})) for train in (one, other))
    return sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))


def setting_text(train: TrainSpec, path: str) -> str:
    """The value of a setting that `differences` names, as people read it; of a sha256 the first digits."""
    value: object = train
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    text = str(value)
    return text[:12] if len(text) > 40 else text


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def mean_scores(
    groups: Sequence[Group], metric: str, perturbation: str | None = None
) -> tuple[list[dict[str, float]], list[str]]:
    """For each group, language -> mean over its runs; of the languages that all runs were scored in, on the same rows.

    `perturbation` is the label of a condition, of a worst case with its set. Rows for pairs of languages are left out.
    The notes name languages that only some runs have, or on other rows.
    """
    tables = [
        {
            row.language: (row.value, scored_rows(result, row))
            for row in result.scores
            if row.metric == metric and row.label == perturbation and row.language is not None
        }
        for group in groups
        for result in group.results
    ]
    counts = Counter(language for table in tables for language in table)
    everywhere = sorted(language for language, count in counts.items() if count == len(tables))
    same = [language for language in everywhere if len({table[language][1] for table in tables}) == 1]
    notes = []
    names = " and ".join(dict.fromkeys(f"{group.train.task} {group.method}" for group in groups))
    if some := sorted(set(counts) - set(everywhere)):
        notes.append(f"{names}: not every run has scores in {', '.join(some)}: left out")
    if other := sorted(set(everywhere) - set(same)):
        notes.append(f"{names}: the runs were scored on different rows in {', '.join(other)}: left out")
    means, first = [], 0
    for group in groups:
        its = tables[first : first + len(group.results)]
        means.append({language: sum(table[language][0] for table in its) / len(its) for language in same})
        first += len(group.results)
    return means, notes


def scored_with(results: Iterable[RunResult], metric: str | None, perturbation: str | None) -> str | None:
    """The label of the condition `perturbation`: that itself; of `worst_case` the label of the only set there is.

    Raises UserError, which lists the alternatives, if no run has scores of this metric under this condition, or if
    runs have worst cases of several sets of perturbations.
    """
    rows = [row for result in results for row in result.scores]
    if metric is not None and all(row.metric != metric for row in rows):
        known = ", ".join(sorted({row.metric for row in rows}))
        raise UserError(f"no run has scores of metric {metric!r}: there are {known}")
    if perturbation is None:
        return None
    labels = sorted({row.label for row in rows if row.label is not None})
    if perturbation in labels:
        return perturbation
    worst = sorted({str(row.label) for row in rows if row.condition == perturbation == "worst_case"})
    if len(worst) > 1:
        raise UserError(f"the runs have worst cases of several sets of perturbations: name one of {shown(worst)}")
    if not worst:
        raise UserError(
            f"no run has scores under perturbation {perturbation!r}: there are {', '.join(labels) or 'clean ones only'}"
        )
    return worst[0]


def few_examples(groups: Sequence[Group], metric: str, label: str | None) -> tuple[dict[str, int], set[str]]:
    """Language -> examples scored under a condition, in the first run; and the languages with too few for a mean."""
    least = max(least_examples(result) for group in groups for result in group.results)
    rows = [row for row in groups[0].results[0].scores if row.metric == metric and row.label == label and row.language]
    return {row.name: row.n for row in rows}, {row.name for row in rows if is_small(row.condition, row.n, least)}
