"""The gain of a method over plain fine-tuning, or its score, language by language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xrobust.errors import UserError
from xrobust.results.runs import Group, differences, few_examples, grouped, mean_scores, scored_with, setting_id
from xrobust.results.schema import RunResult

BASELINE = "vanilla"
Of = Literal["gain", "score"]


@dataclass(frozen=True)
class Series:
    """One number for each target language: of one method, in one setting."""

    task: str
    source: str
    setting: str
    """Hash of task, model, source, data and training settings."""
    method: str
    metric: str
    group_id: str
    seeds: list[int]
    baseline_seeds: list[int]
    """Empty for scores."""
    sample: bool
    values: dict[str, float]
    """Language -> gain or score, fractions of 1, means over seeds. The source language is not among them."""
    few: dict[str, float]
    """The same of languages with fewer changed examples than `robustness.min_examples`: shown, and in no test."""
    examples: dict[str, int]
    """Language -> examples scored, under a perturbation those that it changed."""


def series(
    results: Sequence[RunResult], of: Of = "gain", metric: str | None = None, perturbation: str | None = None
) -> tuple[list[Series], list[str]]:
    """A series for each method and setting; and notes on what was left out.

    The gain is the method's mean over its seeds minus that of `vanilla` in the same setting: task, model, source, data
    and training settings. `metric` is the task's main one by default. Raises UserError where nothing is left.
    """
    perturbation = scored_with(results, metric, perturbation)
    groups = grouped(results)
    baselines = {setting_id(group.train): group for group in groups if group.names == (BASELINE,)}
    found: list[Series] = []
    notes: list[str] = []
    for group in groups:
        baseline = baselines.get(setting_id(group.train))
        if of == "gain":
            if group.names == (BASELINE,):
                continue
            if baseline is None:
                notes.append(_without_baseline(group, list(baselines.values())))
                continue
        wanted = metric or group.results[0].main_metric
        compared = [group] if of == "score" or baseline is None else [group, baseline]
        means, remarks = mean_scores(compared, wanted, perturbation)
        notes += remarks
        source = group.train.source
        values = {
            language: value - means[-1][language] if len(compared) > 1 else value
            for language, value in means[0].items()
            if language != source
        }
        examples, small = few_examples(compared, wanted, perturbation)
        few = {language: values.pop(language) for language in sorted(small & values.keys())}
        if few:
            notes.append(
                f"{group.train.task} {group.method}: too few changed examples for a test (robustness.min_examples) in "
                f"{', '.join(f'{language} ({examples[language]})' for language in few)}"
            )
        if not values and not few:
            what = wanted if perturbation is None else f"{wanted} under {perturbation}"
            notes.append(f"{group.train.task} {group.method}: no target language with {what}: left out")
            continue
        found.append(
            Series(
                task=group.train.task,
                source=source,
                setting=setting_id(group.train),
                method=group.method,
                metric=wanted,
                group_id=group.group_id,
                seeds=group.seeds,
                baseline_seeds=compared[1].seeds if len(compared) > 1 else [],
                sample=any(result.sample for group in compared for result in group.results),
                values=values,
                few=few,
                examples=examples,
            )
        )
    if not found:
        if of == "gain" and all(group.names == (BASELINE,) for group in groups):
            raise UserError(f"there are only runs of {BASELINE}, and no method to take the gain of: use --of score")
        raise UserError(f"nothing to analyse: {notes[0]}")
    return found, list(dict.fromkeys(notes))


def _without_baseline(group: Group, baselines: Sequence[Group]) -> str:
    """Why a method has no gain, with the settings that differ from the nearest run of the baseline."""
    what = f"{group.train.task} {group.method} (group {group.group_id}) has no gain"
    same = [baseline for baseline in baselines if baseline.train.task == group.train.task]
    if not same:
        return f"{what}: there is no run of {BASELINE} for {group.train.task}"
    nearest = min((differences(group.train, baseline.train) for baseline in same), key=len)
    return f"{what}: no run of {BASELINE} is like it, the nearest differs in {', '.join(nearest)}"
