"""Comparison of a run with the published score of its recipe."""

from __future__ import annotations

from xrobust.config.run_spec import RunSpec
from xrobust.contracts import Task
from xrobust.results.schema import RunResult


def range_warnings(task: Task, request: RunSpec, result: RunResult) -> list[str]:
    """Warnings if this run, in the setting of a published recipe, is far from its published score."""
    recipe, spec = task.recipe, result.spec.train
    asked_for_less = spec.limit is not None or not set(task.info.languages) <= result.scored()
    if asked_for_less or spec.source != task.info.source_language or request.training:
        return []
    warnings = []
    for expected in recipe.expected:
        values = [
            r.value
            for r in result.scores
            if r.metric == expected.metric and r.perturbation is None and r.language in task.info.languages
        ]
        if _name(expected.model) != _name(request.model) or not values:
            continue
        average = sum(values) / len(values)
        if not expected.low <= average <= expected.high:
            warnings.append(
                f"average {expected.metric} {100 * average:.1f} is outside the expected range "
                f"{100 * expected.low:.1f}-{100 * expected.high:.1f} ({expected.source})"
            )
    return warnings


def _name(model: str) -> str:
    """The last part of a hub id: `bert-base-multilingual-cased` is also found as `google-bert/...`."""
    return model.rpartition("/")[2]
