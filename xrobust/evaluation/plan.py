"""The plan of an evaluation, resolved and checked: languages, pairs, perturbations, an attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.config.resolved_spec import AttackSpec, EvaluationSpec, TrainSpec
from xrobust.config.run_spec import EvaluationRequest
from xrobust.config.validation import validated
from xrobust.contracts import Example, Source, Split, Task
from xrobust.data.repeated import RepeatedRows, find_repeated
from xrobust.data.splits import (
    DataRows,
    RowsOrigin,
    evaluation_languages,
    languages_of,
    load_split,
    open_split,
    origin_of,
)
from xrobust.errors import PluginError, UserError, did_you_mean
from xrobust.evaluation.conditions.attack import AttackCondition, PgdParams
from xrobust.evaluation.conditions.base import Condition
from xrobust.evaluation.conditions.clean import CleanTestSet
from xrobust.evaluation.conditions.mixed_pairs import MixedPairs
from xrobust.evaluation.conditions.perturbed import PerturbedCondition
from xrobust.evaluation.conditions.worst_case import WorstCase
from xrobust.evaluation.language_pairs import align, parse_pairs, require_pair_task
from xrobust.evaluation.perturbation_inputs import PerturbationInputs
from xrobust.evaluation.requested_perturbations import RequestedPerturbation
from xrobust.results.schema import RunResult
from xrobust.results.score_key import Pair, ScoreKey
from xrobust.results.small_samples import least_examples

ATTACKS = ("pgd",)
Encoder = Callable[[], Callable[[list[str], "int | None"], Any]]
"""Loads the pre-trained encoder and gives the function behind `PerturbationContext.word_vectors`."""


@dataclass(frozen=True)
class LanguageConditions:
    """The test set of one language, and the conditions that it is scored under in this order."""

    clean: CleanTestSet
    conditions: list[Condition]

    def left(self, result: RunResult) -> bool:
        """True if the document lacks scores of it."""
        return self.clean.left(result) or any(condition.left(result) for condition in self.conditions)

    def keys_left(self, result: RunResult) -> list[ScoreKey]:
        """Columns of the scores that the document lacks; that of a worst case only once its perturbations have some."""
        if self.clean.left(result):
            conditions = [one for one in self.conditions if one.steps]
            return [self.clean.under, *(key for one in conditions for key in one.keys)]
        return [key for one in self.conditions if one.left(result) for key in one.keys]

    def steps_left(self, result: RunResult) -> int:
        """Number of test sets that are left to score; all of them if the clean one is."""
        if self.clean.left(result):
            return 1 + sum(condition.steps for condition in self.conditions)
        return sum(condition.steps for condition in self.conditions if condition.left(result))


@dataclass(frozen=True)
class EvaluationPlan:
    """A validated evaluation."""

    spec: EvaluationSpec
    languages: list[LanguageConditions]
    pairs: MixedPairs | None
    repeated: list[RepeatedRows]
    """Test rows that are in other splits too."""
    origin: RowsOrigin
    """Source of the test rows."""
    failures: list[PluginError]
    """Errors of plugins at test sets that cannot be scored: `score_plan` notes them and scores the others."""

    @property
    def used(self) -> list[DataRows]:
        """Rows and sha256 of each language's test set that could be read."""
        return [language.clean.rows for language in self.languages if language.clean.rows.sha256]

    @property
    def beside_clean(self) -> list[ScoreKey]:
        """The columns of all scores in the plan but those of clean test sets."""
        keys = [key for language in self.languages for condition in language.conditions for key in condition.keys]
        return keys + [ScoreKey(pair=pair) for pair in (self.pairs.pairs if self.pairs else ())]

    def left(self, result: RunResult) -> bool:
        """True if the document lacks scores of anything in the plan."""
        if any(language.left(result) for language in self.languages):
            return True
        return self.pairs is not None and bool(self.pairs.left(result))

    def averages_fit(self, result: RunResult) -> bool:
        """True unless another `robustness.min_examples` is asked for than the document has."""
        wanted = self.spec.min_examples
        return wanted is None or wanted == least_examples(result)

    def keys_left(self, result: RunResult) -> list[ScoreKey]:
        """Columns of all scores that the document lacks."""
        pairs = [] if self.pairs is None else self.pairs.left(result)
        return [
            *(key for language in self.languages for key in language.keys_left(result)),
            *(ScoreKey(pair=pair) for pair in pairs),
        ]

    def steps_left(self, result: RunResult) -> int:
        """Number of test sets that are left to score."""
        pairs = [] if self.pairs is None else self.pairs.left(result)
        return len(pairs) + sum(language.steps_left(result) for language in self.languages)


@dataclass(frozen=True)
class EvaluationData:
    """The data that an evaluation reads: task, source and folder."""

    task: Task
    source: Source
    folder: Path | None
    """Folder of the data; None for the hub."""
    offline: bool


def plan_evaluation(
    request: EvaluationRequest,
    data: EvaluationData,
    train: TrainSpec,
    wanted: Sequence[RequestedPerturbation],
    encoder: Encoder,
    scored: Sequence[DataRows] = (),
) -> EvaluationPlan:
    """Resolves and checks an evaluation, reading every test set that has changed. Raises UserError.

    A task that fails to load a test set, or a perturbation at one, is no reason to stop: see `failures`.

    `wanted` comes from `requested_perturbations`: names and parameters are checked before any data are
    read. `scored` are the test rows that were scored before, beside which those of this evaluation are looked at.
    """
    task, source, limit = data.task, data.source, train.limit
    attack = _attack(request)
    languages = evaluation_languages(task, source, request.languages)
    pairs, mixed = _pairs(request, task, source, limit)
    languages = tuple(dict.fromkeys((*languages, *(a for a, b in pairs if a == b))))  # de:de is German
    pairs = [(a, b) for a, b in pairs if a != b]
    if not languages and not pairs:
        raise UserError(f"there is no test set of {task.info.name} to score: name a language that has one")
    tests = {code: _test_set(data, code, limit) for code in languages}
    read = [test for test in tests.values() if not isinstance(test, PluginError)]
    inputs = PerturbationInputs(task, source, train, data.folder, data.offline, encoder)
    rows = {code: test if isinstance(test, PluginError) else test[0] for code, test in tests.items()}
    prepared = inputs.conditions_for(wanted, rows)
    return EvaluationPlan(
        spec=EvaluationSpec(
            languages=languages,
            under={perturbation.spec.label: languages for perturbation in wanted},
            attacked=() if attack is None else languages,
            pairs=tuple(pairs),
            perturbations=tuple(perturbation.spec for perturbation in wanted),
            attack=None if attack is None else AttackSpec(name="pgd", params=attack.model_dump(mode="json")),
            min_examples=request.robustness.min_examples,
        ),
        languages=[
            LanguageConditions(
                CleanTestSet(task, source, limit, _rows_of(code, test)),
                [
                    *prepared[code],
                    *([] if attack is None else [AttackCondition(code, attack)]),
                    WorstCase(code),
                ],
            )
            for code, test in rows.items()
        ],
        pairs=MixedPairs(task, source, limit, pairs, mixed) if pairs else None,
        repeated=find_repeated(
            task,
            _seen(data, train),
            [*_before(data, scored, limit, languages), *read],
        ),
        origin=origin_of(task, source),
        failures=_failures(rows, prepared),
    )


def _test_set(
    data: EvaluationData, language: str, limit: int | None
) -> tuple[DataRows, Sequence[Example]] | PluginError:
    """The rows of a test set and its examples, or the error of a task that fails to load them. Raises UserError."""
    try:
        examples, rows = open_split(data.task, data.source, "test", language, limit)
    except PluginError as error:
        return error
    return rows, examples


def _rows_of(language: str, test: DataRows | PluginError) -> DataRows:
    """The rows of a test set; of one that cannot be loaded none, whose sha256 is that of no rows."""
    return test if isinstance(test, DataRows) else DataRows(split="test", language=language, rows=0, sha256="")


def _failures(
    tests: Mapping[str, DataRows | PluginError], prepared: Mapping[str, Sequence[PerturbedCondition]]
) -> list[PluginError]:
    """Errors of test sets that cannot be scored, language by language."""
    errors = [(tests[code], *(one.failure for one in conditions)) for code, conditions in prepared.items()]
    return [error for of_language in errors for error in of_language if isinstance(error, PluginError)]


def _seen(data: EvaluationData, train: TrainSpec) -> Iterator[tuple[DataRows, Sequence[Example]]]:
    """The rows that the model was trained and selected on, as far as this source has them."""
    split: Split
    for split in ("train", "dev"):
        if train.source in languages_of(data.task, data.source, split):
            examples, rows = open_split(data.task, data.source, split, train.source, train.limit)
            if rows.sha256 == train.data[split]:
                yield rows, examples


def _before(
    data: EvaluationData, scored: Sequence[DataRows], limit: int | None, languages: Sequence[str]
) -> Iterator[tuple[DataRows, Sequence[Example]]]:
    """The test rows of other languages that were scored before, as far as this source has them."""
    there = languages_of(data.task, data.source, "test")
    for before in scored:
        if before.split == "test" and before.language in there and before.language not in languages:
            examples, rows = open_split(data.task, data.source, "test", before.language, limit)
            if rows.sha256 == before.sha256:
                yield rows, examples


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
    return validated(PgdParams, request.attack_params, "attack")
