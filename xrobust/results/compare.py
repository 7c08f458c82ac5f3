"""Compares groups of runs with a baseline: differences by language and condition, with intervals and tests.

docs/comparing.md explains what is estimated; xrobust/metrics/inference.py has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins
from xrobust.results.budgets import equal_in, spent_budget
from xrobust.results.comparing.document import (
    ComparedWith,
    Comparison,
    Condition,
    Estimate,
    Excluded,
    LanguageCount,
    NotCompared,
)
from xrobust.results.comparing.estimates import CompareOptions, Question, adjust_averages
from xrobust.results.comparing.experiment_parts import ExperimentPart, experiment_parts
from xrobust.results.comparing.mcnemar import compare_trained_models
from xrobust.results.comparing.sides import (
    GroupSide,
    budget_difference,
    make_sides,
    require_comparable,
    shared_keys,
    shared_tests,
    token_differences,
)
from xrobust.results.comparing.verdicts import sentences, supervision_note
from xrobust.results.examples import score_metric
from xrobust.results.runs import differences, differing_settings
from xrobust.results.select import FoundRun, LeftOut, Selection, path_text, select_all
from xrobust.results.small_samples import least_examples
from xrobust.results.store import RESULT
from xrobust.results.tuning_effort import tuning_notes

CLEAN = Condition()


@dataclass(frozen=True)
class Sides:
    """The runs that are compared: a baseline, and what is compared with it."""

    baseline: GroupSide
    others: tuple[GroupSide, ...]
    metric: str
    left_out: tuple[LeftOut, ...]
    absent: tuple[str, ...] = ()
    """Notes on methods of an experiment of which there is no run to compare."""


def compare(
    *arguments: str | Path,
    runs: str | Path = "runs",
    where: str | None = None,
    plugins: Sequence[Path] = (),
    **options: Any,
) -> Comparison:
    """Compares runs with a baseline, which is the first argument: `compare("method=vanilla", "method=rs_aug")`.

    Args:
        arguments: run folders, group or run ids, globs, or filters such as `method=rs_aug`. Runs of one group are one
            side, whatever arguments they come from; a later argument that has several groups gives several sides.
            An experiment alone stands for its baseline and all of its other methods, on one task with one model:
            `compare_experiment` takes one with more.
        runs: folder that ids, filters and names of experiments are looked up in.
        where: filter over all arguments, such as `task=wikiann`.
        plugins: files with task plugins whose own metrics are compared.
        options: `metric`, `common`, `budget`, `paired_seeds`, `bootstrap`: see `CompareOptions`.

    Returns the comparison document. Raises UserError where the sides cannot be compared, with the reason.
    """
    given = CompareOptions(**options)
    sides = open_sides([path_text(a) for a in arguments], Path(runs), where=where, metric=given.metric, plugins=plugins)
    return compare_sides(sides, given)


def open_sides(
    arguments: Sequence[str],
    runs: Path,
    *,
    where: str | None = None,
    metric: str | None = None,
    plugins: Sequence[Path] = (),
) -> Sides:
    """Finds the runs of each side. Raises UserError where there are none, or no two sides."""
    selections = select_all(arguments, runs, where=where)
    parts = experiment_parts(selections, where)
    if len(parts) > 1:
        names = "; ".join(part.name for part in parts)
        raise UserError(
            f"{arguments[0]}: the experiment has {len(parts)} comparisons ({names}): narrow it with a filter, as in "
            f"task={parts[0].task}, or use compare_experiment"
        )
    return sides_of(selections, parts[0] if parts else None, metric, plugins)


def sides_of(
    selections: Sequence[Selection], part: ExperimentPart | None, metric: str | None, plugins: Sequence[Path]
) -> Sides:
    """The sides that selections stand for; of an experiment those of one part of it. Raises UserError."""
    left_out = [item for selection in selections for item in selection.left_out]
    if part is not None:
        if (problem := part.problem()) is not None:
            counted = f" ({left_out[-1].path}: {left_out[-1].reason})" if left_out else ""
            raise UserError(f"{problem}{counted}")
        selections = part.selections()
    groups = _sides_asked_for(selections)
    name = metric or groups[0][0].result.main_metric
    _require_metric(groups, name)
    scored_by = score_metric(name, groups[0][0].result.spec.train.task, Plugins(plugins))
    named = {selection.argument.rstrip("/") for selection in selections}
    baseline, *others = (_with_predictions(side, named, left_out) for side in make_sides(groups, scored_by))
    return Sides(baseline, tuple(others), name, tuple(left_out), () if part is None else part.absent())


def _with_predictions(side: GroupSide, named: AbstractSet[str], left_out: list[LeftOut]) -> GroupSide:
    """The runs of a side whose saved predictions give their scores; the others go to `left_out`. Raises UserError."""
    kept = []
    for run in side.runs:
        try:
            for key in run.scored_keys:
                run.of(key)
            kept.append(run)
        except UserError as error:
            by_name = not named.isdisjoint((str(run.folder), str(run.folder / RESULT), run.result.run_id))
            left_out.append(LeftOut(str(run.folder), str(error), by_name))
    if not kept:
        raise UserError(f"{side.name}: no run is left ({left_out[-1].reason})")
    return GroupSide(side.name, tuple(kept))


def compare_sides(sides: Sides, given: CompareOptions) -> Comparison:
    """Compares each side with the baseline. Raises UserError where two cannot be compared, with the reason."""
    baseline, metric = sides.baseline, sides.metric
    used = {least_examples(run.result) for side in (baseline, *sides.others) for run in side.runs}
    compared, others, refused = [], [], []
    for other in sides.others:
        try:
            compared.append(_compare_with(baseline, other, given, max(used)))
            others.append(other)
        except UserError as error:
            refused.append((other, error))
    if not compared:
        raise refused[0][1]
    adjust_averages(compared, baseline.lower_is_better)
    described = baseline.described()
    for part in compared:
        part.sentences = sentences(described, part, metric, max(used), lower_is_better=baseline.lower_is_better)
    first = baseline.runs[0].score(baseline.runs[0].scored_keys[0])
    assert first is not None
    return Comparison(
        task=baseline.first.spec.train.task,
        metric=metric,
        metric_version=first.metric_version,
        lower_is_better=baseline.lower_is_better,
        baseline=described,
        compared=compared,
        common_only=given.common,
        budget=given.budget,
        min_examples=max(used),
        notes=[
            *_least_note(used),
            *([f"{metric} is an error: a lower one is better"] if baseline.lower_is_better else []),
            *_notes(baseline, others, compared, common=given.common),
            *sides.absent,
            *(f"NOT COMPARED: {other.name}: {error}" for other, error in refused),
        ],
        excluded=[Excluded(path=item.path, reason=item.reason) for item in sides.left_out],
    )


def _sides_asked_for(selections: Sequence[Selection]) -> list[list[FoundRun]]:
    """The sides that the arguments name, the baseline first."""
    if not selections:
        raise UserError("name the baseline and what to compare it with: run folders, group ids, globs or filters")
    if not selections[0].runs:
        reason = selections[0].left_out[0].reason
        raise UserError(f"{selections[0].argument}: no complete run for a baseline ({reason})")
    groups: dict[str, dict[str, FoundRun]] = {}
    for selection in selections:
        for run in selection.runs:
            groups.setdefault(run.result.group_id, {})[run.result.run_id] = run
    first = {run.result.group_id for run in selections[0].runs}
    if len(first) > 1:
        raise UserError(
            f"{selections[0].argument}: the baseline must be one group, and these are {len(first)} groups: "
            f"{_listed([groups[g] for g in first])}; narrow it, as in task=wikiann,method=vanilla"
        )
    if len(groups) > 1:
        return [list(group.values()) for group in groups.values()]
    single = [list(selection.runs) for selection in selections]
    if len(single) > 1 and all(len(runs) == 1 for runs in single) and len(groups[first.pop()]) == len(single):
        return single
    given = " ".join(one.argument for one in selections)
    raise UserError(f"{given}: these are runs of one group, {_listed(groups.values())}: name what to compare it with")


def _listed(groups: Iterable[Mapping[str, FoundRun]]) -> str:
    parts = []
    for group in groups:
        result = next(iter(group.values())).result
        train = result.spec.train
        parts.append(f"{train.task} {'+'.join(part.name for part in train.method)} ({result.group_id})")
    return ", ".join(sorted(parts))


def _require_metric(groups: Sequence[Sequence[FoundRun]], metric: str) -> None:
    for group in groups:
        for run in group:
            known = {row.metric for row in run.result.scores}
            if metric not in known:
                raise UserError(
                    f"run {run.result.run_id} ({run.result.spec.train.task}) has no scores of metric {metric!r}: it "
                    f"has {', '.join(sorted(known))} (xrobust eval RUN adds those that its task was given since)"
                )


def _compare_with(baseline: GroupSide, other: GroupSide, given: CompareOptions, least: int) -> ComparedWith:
    require_comparable(baseline, other, given.budget)
    if given.paired_seeds and baseline.seeds != other.seeds:
        raise UserError(
            f"--paired-seeds needs the same seeds on both sides: {baseline.name} has {baseline.seeds}, {other.name} "
            f"has {other.seeds}"
        )
    estimates: list[Estimate] = []
    counts: list[LanguageCount] = []
    not_compared: list[NotCompared] = []
    languages: list[str] = []
    for label, condition in {**baseline.conditions, **other.conditions}.items():
        try:
            keys = shared_keys((baseline, other), condition, common=given.common)
        except UserError as error:
            if condition == CLEAN:
                raise
            not_compared.append(NotCompared(**condition.model_dump(), reason=str(error)))
            continue
        tests = shared_tests(baseline.runs[0], keys)
        if label == "clean":
            languages = [key.name for key in keys]
        for quantity in ("score",) if condition.condition == "clean" else ("score", "drop"):
            question = Question(baseline, other, tests, condition, quantity, given, least)
            found = question.estimates()
            estimates += found
            if quantity == "score":
                counts += question.counts(found)
    single = len(baseline.runs) == len(other.runs) == 1
    return ComparedWith(
        other=other.described(),
        differ_in=differences(baseline.first.spec.train, other.first.spec.train),
        languages=languages,
        budgets_differ=budget_difference(baseline.first, other.first) is not None,
        equal=equal_in(spent_budget([run.result for run in side.runs]) for side in (baseline, other)),
        paired_seeds=given.paired_seeds,
        estimates=estimates,
        counts=counts,
        not_compared=not_compared,
        trained_models=compare_trained_models(baseline.runs[0], other.runs[0]) if single else [],
        sentences=[],
    )


def _least_note(used: AbstractSet[int]) -> list[str]:
    if len(used) == 1:
        return []
    numbers = " and ".join(map(str, sorted(used)))
    return [f"the documents were made with robustness.min_examples {numbers}: {max(used)} is used for all"]


def _notes(
    baseline: GroupSide, others: Sequence[GroupSide], compared: Sequence[ComparedWith], *, common: bool
) -> list[str]:
    """Remarks that a reader of the tables must know."""
    notes = []
    if baseline.first.sample:
        notes.append("sample data: these scores are for trying xrobust out, and mean nothing else")
    for other, part in zip(others, compared, strict=True):
        if (difference := budget_difference(baseline.first, other.first)) is not None:
            notes.append(f"BUDGETS DIFFER: {baseline.name} and {other.name}: {difference}")
        more = token_differences(baseline.first, other.first)
        notes += [f"{baseline.name} and {other.name} {difference}" for difference in more]
        scored = {key.name for side in (baseline, other) for run in side.runs for key in run.scored_keys}
        if common and (left := sorted(scored - set(part.languages))):
            notes.append(f"{baseline.name} and {other.name}: not all runs have {', '.join(left)}: left out (--common)")
        if parts := differing_settings(baseline.first.spec.train, other.first.spec.train):
            notes.append(f"{baseline.name} and {other.name} differ in {', '.join(parts)} too")
        if (remark := supervision_note(baseline.first.supervision, other)) is not None:
            notes.append(remark)
    return notes + tuning_notes([(side.name, [run.result for run in side.runs]) for side in (baseline, *others)])
