"""The gain of a method over plain fine-tuning at an equal training budget, or its score, language by language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xrobust.errors import UserError
from xrobust.results.budgets import EqualIn, SpentBudget, equal_in, how_equal, spent_budget
from xrobust.results.runs import (
    PURPOSE,
    Group,
    differences,
    differing_settings,
    few_examples,
    grouped,
    mean_scores,
    purpose_id,
    scored_with,
)
from xrobust.results.schema import RunResult

BASELINE = "vanilla"
Of = Literal["gain", "score"]


@dataclass(frozen=True)
class Trained:
    """The runs of one side of a gain, with their training budget."""

    method: str
    """The method, with what tells it from the other groups of that name."""
    group_id: str
    seeds: list[int]
    budget: SpentBudget | None


@dataclass(frozen=True)
class Series:
    """One number for each target language: of one method, with one purpose."""

    task: str
    source: str
    purpose: str
    """Hash of task, model, source, data and limit: gains and scores of one purpose stand in one table."""
    metric: str
    of: Trained
    baseline: Trained | None
    """The runs of `vanilla` that a gain is over; None for scores."""
    equal: tuple[EqualIn, ...]
    """The ways in which the two training budgets are equal; empty for scores."""
    differ_in: list[str]
    """Training settings in which the method differs from its baseline."""
    sample: bool
    values: dict[str, float]
    """Language -> gain or score, fractions of 1, means over seeds. The source language is not among them."""
    few: dict[str, float]
    """The same of languages with fewer changed examples than `robustness.min_examples`: shown, and in no test."""
    examples: dict[str, int]
    """Language -> examples scored, under a perturbation those that it changed."""

    @property
    def name(self) -> str:
        """The method; of a gain with the budget that was equal: `rs_aug, equal steps`."""
        return self.of.method if self.baseline is None else f"{self.of.method}, {how_equal(self.equal)}"


def series(
    results: Sequence[RunResult], of: Of = "gain", metric: str | None = None, perturbation: str | None = None
) -> tuple[list[Series], list[str]]:
    """A series for each group of runs and, of gains, each kind of equal budget; and notes on what else is to be known.

    The gain is the method's mean over its seeds minus that of `vanilla` with the same purpose (task, model, source,
    data, limit) and an equal training budget. Of several such groups of `vanilla` the one that is best on the source
    dev set is taken. `metric` is the task's main one by default. Raises UserError where nothing is left.
    """
    perturbation = scored_with(results, metric, perturbation)
    groups = grouped(results)
    found: list[Series] = []
    notes: list[str] = []
    for group in groups:
        pairs: list[tuple[Group | None, tuple[EqualIn, ...]]] = [(None, ())]
        if of == "gain":
            if group.names == (BASELINE,):
                continue
            pairs, remarks = _with_baselines(group, [other for other in groups if other.names == (BASELINE,)])
            notes += remarks
        for baseline, equal in pairs:
            one, remarks = _series(group, baseline, equal, metric or group.results[0].main_metric, perturbation)
            notes += remarks
            found += [one] if one is not None else []
    if not found:
        if of == "gain" and all(group.names == (BASELINE,) for group in groups):
            raise UserError(f"there are only runs of {BASELINE}, and no method to take the gain of: use --of score")
        raise UserError(f"nothing to analyse: {notes[0]}")
    return found, list(dict.fromkeys(notes))


def _series(
    group: Group, baseline: Group | None, equal: tuple[EqualIn, ...], metric: str, perturbation: str | None
) -> tuple[Series | None, list[str]]:
    """The series of a group over a baseline, or of its scores; None, and a note, where no target language is left."""
    compared = [group] if baseline is None else [group, baseline]
    means, notes = mean_scores(compared, metric, perturbation)
    train = group.train
    values = {
        language: value if baseline is None else value - means[1][language]
        for language, value in means[0].items()
        if language != train.source
    }
    examples, small = few_examples(compared, metric, perturbation)
    few = {language: values.pop(language) for language in sorted(small & values.keys())}
    if few:
        notes.append(
            f"{train.task} {group.method}: too few changed examples for a test (robustness.min_examples) in "
            f"{', '.join(f'{language} ({examples[language]})' for language in few)}"
        )
    if not values and not few:
        what = metric if perturbation is None else f"{metric} under {perturbation}"
        return None, [*notes, f"{train.task} {group.method}: no target language with {what}: left out"]
    one = Series(
        task=train.task,
        source=train.source,
        purpose=purpose_id(train),
        metric=metric,
        of=_trained(group),
        baseline=None if baseline is None else _trained(baseline),
        equal=equal,
        differ_in=[] if baseline is None else differences(train, baseline.train),
        sample=any(result.sample for its in compared for result in its.results),
        values=values,
        few=few,
        examples=examples,
    )
    return one, notes


def _trained(group: Group) -> Trained:
    return Trained(group.method, group.group_id, group.seeds, spent_budget(group.results))


def _with_baselines(
    group: Group, baselines: Sequence[Group]
) -> tuple[list[tuple[Group | None, tuple[EqualIn, ...]]], list[str]]:
    """The baseline of a method for each kind of equal budget, with the kinds it is equal in; and notes."""
    same = [baseline for baseline in baselines if purpose_id(baseline.train) == purpose_id(group.train)]
    if not same:
        return [], [_without_baseline(group, baselines)]
    chosen: dict[str, tuple[Group, tuple[EqualIn, ...]]] = {}
    notes: list[str] = []
    kinds: tuple[EqualIn, ...] = ("steps", "epochs")
    for kind in kinds:
        fitting = [baseline for baseline in same if kind in _equal(group, baseline)]
        if not fitting:
            continue
        best = max(fitting, key=_dev_score)
        if best.group_id not in chosen:
            chosen[best.group_id] = best, _equal(group, best)
            notes += _choice(group, best, len(fitting), chosen[best.group_id][1])
    if not any("steps" in equal for _, equal in chosen.values()):
        notes += _control(group, same, lacking=not chosen)
    return list(chosen.values()), notes


def _equal(group: Group, baseline: Group) -> tuple[EqualIn, ...]:
    return equal_in([spent_budget(group.results), spent_budget(baseline.results)])


def _dev_score(group: Group) -> float:
    """The mean of the runs' scores on the source dev set, of the weights that were kept."""
    best = [max((p.value for p in r.training.dev), default=None) for r in group.results if r.training is not None]
    known = [value for value in best if value is not None]
    return sum(known) / len(known) if known else float("-inf")


def _choice(group: Group, best: Group, count: int, equal: tuple[EqualIn, ...]) -> list[str]:
    """A note on the baseline where there were several, or where its settings are not the method's."""
    parts = differing_settings(group.train, best.train)
    if count == 1 and not parts:
        return []
    of = f", the best of {count} on the source dev set" if count > 1 else ""
    settings = f"; they differ in {', '.join(parts)}" if parts else ""
    what = f"{group.train.task} {group.method}, {how_equal(equal)}"
    return [f"{what}: beside {best.method} (group {best.group_id}){of}{settings}"]


def _control(group: Group, baselines: Sequence[Group], *, lacking: bool) -> list[str]:
    """A note on the run of the baseline that would be at equal steps, where there is none."""
    mine = spent_budget(group.results)
    known = [(baseline, its) for baseline in baselines if (its := spent_budget(baseline.results)) is not None]
    if mine is None or not known:
        return []
    nearest, its = min(known, key=lambda pair: abs(pair[1].steps - mine.steps))
    wanted = {
        "max_steps": mine.steps,
        **({"batch_size": mine.batch_size} if mine.batch_size != its.batch_size else {}),
        **({"dev_looks": mine.dev_evaluations} if mine.dev_evaluations != its.dev_evaluations else {}),
    }
    what = f"{group.train.task} {group.method} (group {group.group_id})"
    return [
        f"{what} has no gain at {'an equal budget' if lacking else 'equal steps'}: it had {_budget_text(mine)}, the "
        f"nearest {BASELINE} (group {nearest.group_id}) {_budget_text(its)}; train {BASELINE} with "
        + " ".join(f"--set training.{name}={value}" for name, value in wanted.items())
    ]


def _budget_text(budget: SpentBudget) -> str:
    return f"{budget.steps} steps of {budget.batch_size} examples with {budget.dev_evaluations} looks at the dev set"


def _without_baseline(group: Group, baselines: Sequence[Group]) -> str:
    """Why a method has no gain, with what the nearest run of the baseline was for in its place."""
    what = f"{group.train.task} {group.method} (group {group.group_id}) has no gain"
    same = [baseline for baseline in baselines if baseline.train.task == group.train.task]
    if not same:
        return f"{what}: there is no run of {BASELINE} for {group.train.task}"
    others = [[name for name in differences(group.train, b.train) if name.split(".")[0] in PURPOSE] for b in same]
    nearest: list[str] = min(others, key=len)
    return f"{what}: no run of {BASELINE} is for the same, the nearest differs in {', '.join(nearest)}"
