"""The summary of a result: its main metric averaged over languages, on clean text and under each condition."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.results.schema import RunResult, mean
from xrobust.results.score_key import ConditionName
from xrobust.results.sections import Robustness, ScoreRow, Summary
from xrobust.results.small_samples import is_small, least_examples

Condition = tuple[ConditionName, str | None, str | None, tuple[str, ...]]
"""Condition, label of the perturbation, label of the attack, set of a worst case."""


def summarise(result: RunResult) -> Summary | None:
    """Averages over the scores of a result; None where it has none on clean text of single languages."""
    values = {row.language: row.value for row in result.clean_scores() if row.metric == result.main_metric}
    if not values:
        return None
    source_language = result.spec.train.source
    pairs = [row.value for row in result.main_scores() if row.pair is not None]
    source = values.get(source_language)
    average_targets = mean(v for language, v in values.items() if language != source_language)
    return Summary(
        metric=result.main_metric,
        source=source,
        average=sum(values.values()) / len(values),
        average_targets=average_targets,
        transfer_gap=None if source is None or average_targets is None else source - average_targets,
        languages=len(values),
        robustness=[_robustness(result, condition) for condition in _conditions(result)],
        pairs=len(pairs),
        average_pairs=mean(pairs),
    )


def _conditions(result: RunResult) -> list[Condition]:
    """All conditions scored besides clean text, in the order of the rows; worst cases last."""
    conditions: list[Condition] = [("perturbed", row.perturbation, None, ()) for row in result.data.perturbed]
    conditions += [_condition(row) for row in result.scores if row.condition != "clean"]
    return sorted(dict.fromkeys(conditions), key=lambda condition: condition[0] == "worst_case")


def _condition(row: ScoreRow) -> Condition:
    return row.condition, row.perturbation, row.attack, row.worst_of


def _robustness(result: RunResult, wanted: Condition) -> Robustness:
    source, least = result.spec.train.source, least_examples(result)
    condition, perturbation, attack, worst_of = wanted
    rows = {row.language: row for row in result.main_scores() if _condition(row) == wanted}
    targets = [row for language, row in rows.items() if language != source]
    enough = [row for row in targets if not is_small(condition, row.n, least)]
    noted = [row for row in result.data.perturbed if condition == "perturbed" and row.perturbation == perturbation]
    tried: dict[str | None, float] = {row.language: row.coverage for row in noted if row.language != source}
    tried |= {row.language: row.coverage for row in targets}
    return Robustness(
        condition=condition,
        perturbation=perturbation,
        attack=attack,
        worst_of=worst_of,
        languages=len(targets),
        tried=len(tried),
        min_examples=least,
        too_few=tuple(row.name for row in targets if row not in enough),
        examples=sum(row.n for row in targets),
        coverage=mean(tried.values()),
        clean=mean(row.clean_value for row in enough),
        value=mean(row.value for row in enough),
        drop=mean(row.drop for row in enough),
        pooled_drop=_pooled_drop(targets),
        value_all=mean(row.value_all for row in enough),
        source_drop=rows[source].drop if source in rows else None,
        epsilon=next((row.epsilon for row in rows.values()), None),
    )


def _pooled_drop(rows: Sequence[ScoreRow]) -> float | None:
    """The mean of the drops of languages, each weighted by its number of changed examples; None without languages."""
    weighted = [(row.n, row.drop) for row in rows if row.drop is not None]
    total = sum(n for n, _ in weighted)
    return sum(n * drop for n, drop in weighted) / total if total else None
