"""Sides of a comparison: groups of runs, whether two may be compared, and their scores as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from xrobust.errors import UserError
from xrobust.metrics.inference import Side
from xrobust.metrics.influence import influence
from xrobust.results.attack_strength import strength_difference, strength_of
from xrobust.results.budgets import spent_budget
from xrobust.results.comparing.document import ComparedGroup, Condition
from xrobust.results.examples import RunExamples, ScoreMetric
from xrobust.results.runs import differences, method_labels, setting_text
from xrobust.results.schema import RunResult, mean
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import Budget, ScoreRow
from xrobust.results.select import FoundRun
from xrobust.results.tuning_effort import tuned_trials
from xrobust.results.worst_case import scored_rows

if TYPE_CHECKING:
    import numpy as np

SAME_BUDGET = 0.05
"""Training examples of two budgets may differ by that share: the last batch of an epoch is smaller. Steps, batch size
and looks at the dev set must be equal. Word pieces need not, since a method that changes words changes the number of
their pieces; where they differ by more than that, a note says so."""


@dataclass(frozen=True)
class GroupSide:
    """One side: the runs of one group, by seed, or a single run."""

    name: str
    runs: tuple[RunExamples, ...]

    @property
    def first(self) -> RunResult:
        return self.runs[0].result

    @property
    def seeds(self) -> list[int]:
        return [run.result.spec.train.seed for run in self.runs]

    @property
    def lower_is_better(self) -> bool:
        """True where the metric that is compared is an error."""
        return self.runs[0].scored_by.metric.lower_is_better

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """All conditions that a run of the side has scores under, by label."""
        found = [condition_of(row) for run in self.runs for row in run.scored_rows]
        return {condition.label: condition for condition in found}

    def described(self) -> ComparedGroup:
        """The side as the document has it."""
        train = self.first.spec.train
        return ComparedGroup(
            name=self.name,
            group_id=self.first.group_id,
            run_ids=[run.result.run_id for run in self.runs],
            seeds=self.seeds,
            task=train.task,
            method=train.method_name,
            model=self.first.model.id,
            source=train.source,
            supervision=self.first.supervision,
            budget=spent_budget([run.result for run in self.runs]),
            seconds=mean(run.result.training.seconds if run.result.training else None for run in self.runs),
            tuned_trials=tuned_trials([run.result for run in self.runs]),
            sample=self.first.sample,
        )


def make_sides(groups: Sequence[Sequence[FoundRun]], scored_by: ScoreMetric) -> list[GroupSide]:
    """Names the sides, and opens their runs, in the order of their seeds."""
    ordered = [sorted(group, key=lambda run: run.result.spec.train.seed) for group in groups]
    names = _names([group[0].result for group in ordered])
    return [
        GroupSide(name, tuple(RunExamples(run.folder, run.result, scored_by) for run in group))
        for name, group in zip(names, ordered, strict=True)
    ]


def _names(results: Sequence[RunResult]) -> list[str]:
    """Names of the sides: the method, and what tells it from the others: parameters, settings, the seed."""
    trains = [result.spec.train for result in results]
    labels = method_labels([train.method for train in trains])
    names = []
    for i, (label, train) in enumerate(zip(labels, trains, strict=True)):
        alike = [other for j, other in enumerate(trains) if j != i and labels[j] == label]
        settings = sorted({name for other in alike for name in differences(train, other)})
        if any(other.seed != train.seed for other in alike) and not settings:
            settings = ["seed"]
        # Null says nothing in a name, and the others' value tells them apart as well.
        values = [(name, text) for name in settings if (text := setting_text(train, name)) != str(None)]
        names.append(f"{label} [{', '.join(f'{name} {text}' for name, text in values)}]" if values else label)
    return names


def condition_of(row: ScoreRow) -> Condition:
    """The condition of a score."""
    return Condition(
        condition=row.condition,
        perturbation=row.perturbation,
        attack=row.attack,
        worst_of=row.worst_of,
        pairs=row.pair is not None,
    )


def budget_of(result: RunResult) -> Budget | None:
    """The training budget of a run; None in a document without training."""
    return None if result.training is None else result.training.budget


def budget_difference(one: RunResult, other: RunResult) -> str | None:
    """Says in which part the budgets of two runs differ; None if they are equal."""
    a, b = budget_of(one), budget_of(other)
    if a is None or b is None:
        return "a document has no training budget"
    parts: list[tuple[str, int, int, float]] = [
        ("optimiser steps", a.steps, b.steps, 0.0),
        ("examples a batch", one.spec.train.training.batch_size, other.spec.train.training.batch_size, 0.0),
        ("looks at the dev set", a.dev_evaluations, b.dev_evaluations, 0.0),
        ("training examples", a.examples, b.examples, SAME_BUDGET),
    ]
    for name, x, y, tolerance in parts:
        if abs(x - y) > tolerance * max(x, y):
            return f"{x} and {y} {name}"
    return None


def token_differences(one: RunResult, other: RunResult) -> list[str]:
    """Numbers of word pieces of two runs that differ by more than a few percent in as many steps, a line each."""
    a, b = budget_of(one), budget_of(other)
    if a is None or b is None or a.steps != b.steps:
        return []
    parts = [("were trained on {} and {} word pieces", a.tokens, b.tokens)]
    if (a.tokens, b.tokens) != (a.processed_tokens, b.processed_tokens):
        parts.append(("put {} and {} word pieces through the encoder", a.processed_tokens, b.processed_tokens))
    return [
        f"{text.format(x, y)} in as many steps"
        for text, x, y in parts
        if x is not None and y is not None and abs(x - y) > SAME_BUDGET * max(x, y)
    ]


def require_comparable(baseline: GroupSide, other: GroupSide, budget: str) -> None:
    """Raises UserError, with the reason, for sides between which no difference means anything."""
    a, b, names = baseline.first, other.first, f"{baseline.name} and {other.name}"
    if a.spec.train.task != b.spec.train.task:
        raise UserError(f"{names} are runs of two tasks, {a.spec.train.task} and {b.spec.train.task}: compare one task")
    if a.sample != b.sample:
        sample = baseline.name if a.sample else other.name
        raise UserError(f"{sample} was scored on the sample data that come with xrobust, the other side on real data")
    others = (budget_difference(a, run.result) for side in (baseline, other) for run in side.runs)
    if budget == "equal" and (difference := next((one for one in others if one is not None), None)) is not None:
        raise UserError(
            f"{names} were not trained for as long as one another ({difference}): train both with the same "
            "training.max_steps, batch_size and dev_looks, or compare them with --budget any, which marks it"
        )


def shared_keys(sides: Sequence[GroupSide], condition: Condition, *, common: bool) -> list[ScoreKey]:
    """The test sets that all runs of all sides have scores of under a condition, on the same rows.

    Raises UserError where they have others, unless `common` leaves out those that not all have; and where rows, the
    metric's version, the strength of an attack, or the perturbed rows of a worst case differ.
    """
    runs = [(side.name, run) for side in sides for run in side.runs]
    sets = [{row.key for row in run.scored_rows if condition_of(row) == condition} for _, run in runs]
    everywhere = set.intersection(*sets)
    if not common:
        for (name, run), its in zip(runs, sets, strict=True):
            if lacking := sorted(set.union(*sets) - its, key=lambda key: key.name):
                where = f"run {run.result.run_id} ({name})"
                raise UserError(
                    f"not all runs have the same test sets under {condition.label}: {where} {_other_set(run, lacking)}"
                    "; score it with xrobust eval, or compare with --common"
                )
    if not everywhere:
        raise UserError(f"there is no test set that all runs have scores of under {condition.label}")
    for key in everywhere:
        _require_same(key, runs)
    return sorted(everywhere, key=lambda key: _place(sides[0].first, key))


def _other_set(run: RunExamples, lacking: Sequence[ScoreKey]) -> str:
    """Says what a run has where it lacks scores: none, or the worst case of other perturbations."""
    names = ", ".join(key.name for key in lacking)
    found = [row for key in lacking if (row := run.score(key)) is not None]
    if not found:
        return f"has no score in {names}"
    labels = " and ".join(dict.fromkeys(str(row.label) for row in found))
    return f"has the worst case of other perturbations in {names}, {labels}"


def _require_same(key: ScoreKey, runs: Sequence[tuple[str, RunExamples]]) -> None:
    first_name, first = runs[0]
    for name, run in runs[1:]:
        mine, its = first.score(key), run.score(key)
        assert mine is not None and its is not None
        where = f"{first_name} (run {first.result.run_id}) and {name} (run {run.result.run_id})"
        test = key.name if key.label is None else f"{key.name} under {key.label}"
        if mine.rows_sha256 != its.rows_sha256:
            raise UserError(f"{where} were scored on other test data in {test}: their sha256 differ")
        if mine.metric_version != its.metric_version:
            raise UserError(f"{where} were scored by two versions of {mine.metric} in {test}: score one again")
        if key.condition == "attack":
            difference = strength_difference(strength_of(mine), strength_of(its))
            if difference is not None:
                raise UserError(
                    f"{where} were attacked with another strength in {test} ({difference}): score both with "
                    "one version of xrobust and the same --set attack.*"
                )
        elif scored_rows(first.result, mine) != scored_rows(run.result, its):
            raise UserError(
                f"{where} have the worst case of other perturbed rows in {test}: a perturbation of another version, "
                "seed or file"
            )


def _place(result: RunResult, key: ScoreKey) -> tuple[bool, int, str]:
    """The source first, then the order of the document."""
    order = [row.key for row in result.scores]
    return key.language != result.spec.train.source, order.index(key), key.name


@dataclass(frozen=True)
class SharedTests:
    """Test sets under one condition, with a number for each id, equal where ids are: parallel test sets share ids."""

    keys: tuple[ScoreKey, ...]
    ids: tuple[tuple[str, ...], ...]
    clusters: tuple[np.ndarray, ...]


def shared_tests(run: RunExamples, keys: Sequence[ScoreKey]) -> SharedTests:
    """The test sets as one run has them."""
    import numpy as np

    ids = tuple(run.of(key).ids for key in keys)
    number: dict[str, int] = {}
    clusters = tuple(np.array([number.setdefault(i, len(number)) for i in its]) for its in ids)
    return SharedTests(tuple(keys), ids, clusters)


def side_arrays(side: GroupSide, tests: SharedTests, quantity: str) -> Side:
    """The scores of a side, or its drops from clean text, with the influence of each example.

    Raises UserError where its examples are others than those of `tests`.
    """
    import numpy as np

    values = np.array([[_value(run, key, quantity) for key in tests.keys] for run in side.runs])
    influences = []
    for key, ids in zip(tests.keys, tests.ids, strict=True):
        of_runs = []
        for run in side.runs:
            if run.of(key).ids != ids:
                raise UserError(
                    f"run {run.result.run_id} ({side.name}) has predictions of other examples in {key.name}, or in "
                    "another order"
                )
            of_runs.append(_influence(run, key, quantity))
        influences.append(np.mean(of_runs, axis=0))
    return Side(values, tuple(influences))


def _value(run: RunExamples, key: ScoreKey, quantity: str) -> float:
    row = run.score(key)
    assert row is not None
    if quantity == "score":
        return row.value
    assert row.clean_value is not None
    return row.clean_value - row.value


def _influence(run: RunExamples, key: ScoreKey, quantity: str) -> np.ndarray:
    by = run.scored_by
    under = influence(by.metric, run.of(key).rows, by.output)
    return under if quantity == "score" else influence(by.metric, run.clean_of(key).rows, by.output) - under
