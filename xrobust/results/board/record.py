"""Record of one run: what a leaderboard needs of its document, small enough to hold ten thousand."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from xrobust.config.resolved_spec import MethodSpec
from xrobust.errors import UserError
from xrobust.metrics.by_name import metric_of_output
from xrobust.results.comparison import Condition
from xrobust.results.examples import shown_key, worst_case_set
from xrobust.results.schema import RunResult, ScoreRow
from xrobust.results.score_key import ScoreKey
from xrobust.results.summary import summarise

NORMAL_95 = 1.959963984540054
"""97.5% point of the normal distribution: an interval is that many standard errors to each side."""


class Test(NamedTuple):
    """A test set under a condition."""

    condition: str
    perturbation: str | None
    attack: str | None
    language: str | None
    pair: str | None
    """`en:de`."""

    @property
    def key(self) -> ScoreKey:
        """The same as a key of the run's document."""
        values = self._asdict() | {"pair": tuple(self.pair.split(":")) if self.pair else None}
        return ScoreKey(**values)

    @property
    def under(self) -> tuple[str, str | None, str | None, bool]:
        """Its condition: condition, perturbation, attack, True for a pair."""
        return self.condition, self.perturbation, self.attack, self.pair is not None

    @property
    def name(self) -> str:
        """The language, or the pair."""
        return self.pair or str(self.language)


def condition(under: tuple[str, str | None, str | None, bool]) -> Condition:
    """The condition of a test set, as documents have it."""
    name, perturbation, attack, pairs = under
    return Condition(condition=name, perturbation=perturbation, attack=attack, pairs=pairs)  # type: ignore[arg-type]


class Measured(NamedTuple):
    """The main metric on a test set."""

    value: float
    clean_value: float | None
    examples_se: float
    n: int
    rows: str
    metric_version: int


@dataclass(frozen=True)
class RunRecord:
    """What a leaderboard needs of one run."""

    run_id: str
    group_id: str
    sha256: str | None
    updated: str
    data: str
    data_revision: str | None
    task: str
    source: str
    seed: int
    model: str
    model_identity: dict[str, str | None]
    parameters: int | None
    trainable_parameters: int | None
    method: list[dict[str, Any]]
    settings: dict[str, Any]
    supervision: list[str]
    steps: int
    batch_size: int
    dev_evaluations: int
    examples: int
    tokens: int | None
    seconds: float
    peak_memory_bytes: int
    selected_step: int
    device: str
    packages: dict[str, str]
    sample: bool
    metric: str
    scores: dict[Test, Measured]

    @property
    def methods(self) -> tuple[MethodSpec, ...]:
        """The parts of its method."""
        return tuple(MethodSpec(**part) for part in self.method)

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `of_json` makes an equal record."""
        head = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "scores"}
        return head | {"scores": [[*test, *measured] for test, measured in self.scores.items()]}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> RunRecord:
        """The record of such plain values."""
        width = len(Test._fields)
        scores = {
            Test(*map(_interned, row[:width])): Measured(*map(_interned, row[width:])) for row in values["scores"]
        }
        return cls(**{**values, "scores": scores})


def _interned(value: Any) -> Any:
    """Thousands of records name the same languages and rows: one string of each is enough."""
    return sys.intern(value) if isinstance(value, str) else value


def record_of(result: RunResult) -> RunRecord:
    """The record of a complete run. Raises UserError for a document that contradicts itself."""
    if result.training is None:
        raise UserError("the document has no section on training")
    check_values(result)
    train, training = result.spec.train, result.training
    return RunRecord(
        run_id=result.run_id,
        group_id=result.group_id,
        sha256=result.sha256,
        updated=result.updated,
        data=result.data.id,
        data_revision=result.data.revision,
        task=train.task,
        source=train.source,
        seed=train.seed,
        model=result.model.id,
        model_identity={"revision": result.model.revision, "sha256": result.model.sha256},
        parameters=result.model.parameters,
        trainable_parameters=result.model.trainable_parameters,
        method=[part.model_dump(mode="json") for part in train.method],
        settings=train.training.model_dump(mode="json") | {"precision": train.precision, "limit": train.limit},
        supervision=list(result.supervision),
        steps=training.budget.steps,
        batch_size=train.training.batch_size,
        dev_evaluations=training.budget.dev_evaluations,
        examples=training.budget.examples,
        tokens=training.budget.tokens,
        seconds=training.seconds,
        peak_memory_bytes=training.peak_memory_bytes,
        selected_step=training.selected_step,
        device=result.environment.device,
        packages=dict(result.environment.packages),
        sample=result.sample,
        metric=result.main_metric,
        scores={test_of(row): _measured(result, row) for row in result.main_scores()},
    )


def test_of(row: ScoreRow) -> Test:
    """The test set and condition of a score."""
    parts = (row.condition, row.perturbation, row.attack, row.language, ":".join(row.pair) if row.pair else None)
    return Test(*map(_interned, parts))


def _measured(result: RunResult, row: ScoreRow) -> Measured:
    rows = row.rows_sha256
    if row.condition == "worst_case":
        rows += f" {'+'.join(worst_case_set(result, row.key))}"
    error = (row.ci_high - row.ci_low) / (2 * NORMAL_95)
    return Measured(row.value, row.clean_value, error, row.n, sys.intern(rows), row.metric_version)


def check_values(result: RunResult) -> None:
    """Raises UserError for values out of bounds, rows that occur twice, and sums that do not add up."""
    seen: set[tuple[ScoreKey, str]] = set()
    for row in result.scores:
        where = f"{row.metric} of {shown_key(row.key)}"
        if (row.key, row.metric) in seen:
            raise UserError(f"{where} occurs twice")
        seen.add((row.key, row.metric))
        values = [row.value, row.ci_low, row.ci_high, *(v for v in (row.clean_value, row.value_all) if v is not None)]
        bounded = metric_of_output(row.metric) is not None
        if not all(map(math.isfinite, values)) or (bounded and not all(0 <= value <= 1 for value in values)):
            raise UserError(f"{where} is out of bounds: {row.value}")
        if row.n < 1 or row.ci_low > row.ci_high or not 0 <= row.coverage <= 1:
            raise UserError(f"{where} is out of bounds: {row.n} examples, {row.ci_low} to {row.ci_high}")
        if row.drop is not None and not math.isclose(row.drop, (row.clean_value or 0) - row.value, abs_tol=1e-9):
            raise UserError(f"the drop of {where} is not its score on clean text minus that under the condition")
    if result.summary is not None and not _same(
        *(
            None if summary is None else summary.model_dump(mode="json")
            for summary in (result.summary, summarise(result))
        )
    ):
        raise UserError("its summary does not fit its scores")


def _same(one: Any, other: Any) -> bool:
    """True if two plain values are equal, numbers to 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
