"""What a trained model is to be scored on, resolved and checked: languages, pairs, perturbations, an attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.config.resolved_spec import AttackSpec, EvaluationSpec, TrainSpec
from xrobust.config.run_spec import EvaluationRequest
from xrobust.config.validation import validated
from xrobust.contracts import Source, Task
from xrobust.data.splits import DataRows, evaluation_languages, load_split, open_split
from xrobust.errors import UserError, did_you_mean
from xrobust.evaluation.conditions.perturbed import PerturbedCondition
from xrobust.evaluation.language_pairs import Pair, align, pair_name, parse_pairs, require_pair_task
from xrobust.evaluation.perturbation_inputs import PerturbationInputs
from xrobust.evaluation.requested_perturbations import RequestedPerturbation
from xrobust.results.schema import WORST_CASE, RunResult

if TYPE_CHECKING:
    from xrobust.evaluation.conditions.attack import PgdParams

ATTACKS = ("pgd",)
CLEAN = "clean"
ATTACK = "attack"
"""What is left to do of a language, besides perturbations."""

Encoder = Callable[[], Callable[[list[str], "int | None"], Any]]
"""Loads the pre-trained encoder and gives the function behind `PerturbationContext.word_vectors`."""


@dataclass(frozen=True)
class EvaluationPlan:
    """A validated evaluation."""

    task: Task
    source: Source
    spec: EvaluationSpec
    used: list[DataRows]
    """Rows and sha256 of each language's test set."""
    pair_rows: list[DataRows]
    """The same, of the languages that pairs are made of."""
    prepared: dict[str, list[PerturbedCondition]]
    """Language -> the perturbations that its test set is scored under."""
    attack: PgdParams | None

    def left(self, result: RunResult) -> dict[str, list[PerturbedCondition | str]]:
        """What the document has no scores of: language -> `CLEAN`, perturbations, `ATTACK`, `WORST_CASE`."""
        scored = result.scored(self.used)
        todo: dict[str, list[PerturbedCondition | str]] = {}
        for language in self.spec.languages:
            anew = language not in scored
            units: list[PerturbedCondition | str] = [CLEAN] if anew else []
            units += [p for p in self.prepared[language] if anew or not _is_done(result, p)]
            labels = {row.perturbation for row in result.scores if row.language == language}
            if self.attack is not None and (anew or attack_labels(result, language) != set(self.attack_labels())):
                units.append(ATTACK)
            if not anew and WORST_CASE not in labels and _has_perturbed(result, language):
                units.append(WORST_CASE)  # stopped in between
            if units:
                todo[language] = units
        return todo

    def pairs_left(self, result: RunResult) -> list[str]:
        """Pairs of languages that the document has no scores of."""
        scored = result.scored_pairs(self.pair_rows)
        return [pair for pair in self.spec.pairs if pair not in scored]

    def attack_labels(self) -> list[str]:
        """`pgd(epsilon=0.01)`, with the parameters that are not at their defaults: one for each radius."""
        if self.attack is None:
            return []
        values, standard = self.attack.model_dump(mode="json"), type(self.attack)().model_dump(mode="json")
        others = [f"{k}={v}" for k, v in values.items() if k != "epsilons" and v != standard[k]]
        return [f"pgd({','.join([f'epsilon={epsilon:g}', *others])})" for epsilon in self.attack.epsilons]


def attack_labels(result: RunResult, language: str) -> set[str]:
    """Labels of the curve that a document has of a language."""
    rows = (row for row in result.scores if row.language == language and row.epsilon is not None)
    return {row.perturbation for row in rows if row.perturbation is not None}


def _has_perturbed(result: RunResult, language: str) -> bool:
    return any(row.language == language and row.changed_examples for row in result.data.perturbed)


def _is_done(result: RunResult, prepared: PerturbedCondition) -> bool:
    """Whether a perturbation of a language has its scores, or is known to have none, as it is now."""
    row = result.perturbed(prepared.language, prepared.label)
    if row is None or row.key != prepared.key:
        return False
    scored = any((s.language, s.perturbation) == (prepared.language, prepared.label) for s in result.scores)
    return scored or not row.changed_examples


def plan_evaluation(
    request: EvaluationRequest,
    task: Task,
    source: Source,
    *,
    train: TrainSpec,
    wanted: list[RequestedPerturbation],
    data_dir: Path | None,
    offline: bool,
    encoder: Encoder,
) -> EvaluationPlan:
    """Resolves and checks what is to be scored, reading every test set that has changed. Raises UserError.

    `wanted` is what `requested_perturbations` made of the request: names and parameters are checked before any data are
    read.
    """
    attack = _attack(request)
    languages = evaluation_languages(task, source, request.languages)
    pairs, mixed = _pairs(request, task, source, train.limit)
    languages = tuple(dict.fromkeys((*languages, *(a for a, b in pairs if a == b))))  # de:de is German
    pairs = [(a, b) for a, b in pairs if a != b]
    used = [open_split(task, source, "test", code, train.limit)[1] for code in languages]
    inputs = PerturbationInputs(task, source, train, data_dir, offline, encoder)
    return EvaluationPlan(
        task=task,
        source=source,
        spec=EvaluationSpec(
            languages=languages,
            under={condition.spec.label: languages for condition in wanted},
            attacked=() if attack is None else languages,
            pairs=tuple(map(pair_name, pairs)),
            perturbations=tuple(condition.spec for condition in wanted),
            attack=None if attack is None else AttackSpec(name="pgd", params=attack.model_dump(mode="json")),
        ),
        used=used,
        pair_rows=mixed,
        prepared=inputs.conditions_for(wanted, languages, used),
        attack=attack,
    )


def _pairs(
    request: EvaluationRequest, task: Task, source: Source, limit: int | None
) -> tuple[list[Pair], list[DataRows]]:
    """The pairs asked for, whose examples align, and the test rows of their languages. Raises UserError."""
    if not request.pairs:
        return [], []
    require_pair_task(task)
    pairs = list(parse_pairs(request.pairs, evaluation_languages(task, source, None)))
    tests = {code: load_split(task, source, "test", code, limit) for code in dict.fromkeys(c for p in pairs for c in p)}
    for first, second in pairs:
        align(tests[first][0], tests[second][0], (first, second))
    return pairs, [rows for _, rows in tests.values()]


def _attack(request: EvaluationRequest) -> PgdParams | None:
    if request.attack is None:
        if request.attack_params:
            raise UserError(f"setting 'attack.{next(iter(request.attack_params))}' without an attack: add --attack pgd")
        return None
    if request.attack not in ATTACKS:
        raise UserError(f"unknown attack {request.attack!r}: {did_you_mean(request.attack, ATTACKS)}")
    from xrobust.evaluation.conditions.attack import PgdParams

    return validated(PgdParams, request.attack_params, "attack")
