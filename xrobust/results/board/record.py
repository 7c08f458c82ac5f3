"""Record of one run: what a leaderboard needs of its document, small enough to hold ten thousand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from xrobust.config.resolved_spec import MethodSpec
from xrobust.data.splits import RowsOrigin
from xrobust.errors import UserError
from xrobust.metrics.by_name import metric_of_output
from xrobust.results.comparing.document import Condition
from xrobust.results.examples import shown_key
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import DataSection, ScoreRow
from xrobust.results.small_samples import least_examples
from xrobust.results.summary import summarise
from xrobust.results.tuning_effort import tuned_trials
from xrobust.results.worst_case import perturbations_tried, scored_rows

NORMAL_95 = 1.959963984540054
"""97.5% point of the normal distribution: an interval is that many standard errors to each side."""


Under = tuple[str, str | None, str | None, bool, str]
"""Condition, perturbation, attack, True for pairs, set of a worst case."""


class Test(NamedTuple):
    """A test set under a condition."""

    condition: str
    perturbation: str | None
    attack: str | None
    language: str | None
    pair: str | None
    """`en:de`."""
    worst_of: str = ""
    """Set of a worst case, a line a perturbation: two sets are two conditions."""

    @property
    def key(self) -> ScoreKey:
        """Its key in the run's document."""
        values = self._asdict() | {"pair": tuple(self.pair.split(":")) if self.pair else None}
        return ScoreKey(**{name: values[name] for name in ScoreKey.model_fields})

    @property
    def under(self) -> Under:
        """Its condition."""
        return self.condition, self.perturbation, self.attack, self.pair is not None, self.worst_of

    @property
    def name(self) -> str:
        """The language, or the pair."""
        return self.pair or str(self.language)


def condition(under: Under) -> Condition:
    """The condition of a test set, as documents have it."""
    return Condition(**condition_columns(under))


def condition_columns(under: Under) -> dict[str, Any]:
    """The fields of a condition in documents."""
    name, perturbation, attack, pairs, worst_of = under
    return {
        "condition": name,
        "perturbation": perturbation,
        "attack": attack,
        "worst_of": tuple(worst_of.splitlines()),
        "pairs": pairs,
    }


class TestSet(NamedTuple):
    """A test set under a condition, and what two scores on it must have in common to be compared."""

    test: Test
    rows: str
    """sha256 of the rows; of a worst case also of its perturbed rows, with their labels; of an attack its strength."""
    n: int
    metric_version: int


Layout = tuple[TestSet, ...]
"""The test sets of a run, in a fixed order. Thousands of runs have the same: they share one object."""
_LAYOUTS: dict[Layout, Layout] = {}


@dataclass(frozen=True)
class RunRecord:
    """Facts and scores of one run, as far as a leaderboard needs them."""

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
    processed_tokens: int | None
    seconds: float
    peak_memory_bytes: int
    selected_step: int
    tuned_trials: int | None
    device: str
    packages: dict[str, str]
    sample: bool
    metric: str
    min_examples: int
    """Fewest changed examples of a language that is in the means of its document."""
    layout: Layout
    values: np.ndarray
    """float64 (3, test sets): scores; scores of the same examples on clean text, NaN on clean text; standard errors
    that come from the choice of examples."""

    @property
    def methods(self) -> tuple[MethodSpec, ...]:
        """The parts of its method."""
        return tuple(MethodSpec(**part) for part in self.method)

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `of_json` makes an equal record; without its layout."""
        head = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("layout", "values")}
        return head | {"values": [[None if value != value else value for value in row] for row in self.values.tolist()]}

    @classmethod
    def of_json(cls, values: Mapping[str, Any], layout: Layout) -> RunRecord:
        """The record of such plain values."""
        return cls(**{**values, "layout": layout, "values": np.array(values["values"], dtype=float)})


def layout_of(rows: Sequence[Sequence[Any]]) -> Layout:
    """The layout of plain values: the columns of each test, then `rows`, `n` and the metric's version."""
    width = len(Test._fields)
    found = tuple(TestSet(Test(*row[:width]), *row[width:]) for row in rows)
    return _LAYOUTS.setdefault(found, found)


def layout_as_json(layout: Layout) -> list[list[Any]]:
    """Plain values, from which `layout_of` makes the layout."""
    return [[*test, *rest] for test, *rest in layout]


def order(test: Test) -> tuple[str, ...]:
    """The order of test sets in documents: by condition, then language."""
    return tuple(part or "" for part in test)


def record_of(result: RunResult) -> RunRecord:
    """The record of a complete run. Raises UserError for a document that contradicts itself."""
    if result.training is None:
        raise UserError("the document has no section on training")
    check_values(result)
    train, training = result.spec.train, result.training
    rows = sorted(result.main_scores(), key=lambda row: order(test_of(row)))
    nan = float("nan")
    origins = test_origins(result)
    values = [
        [row.value for row in rows],
        [nan if row.clean_value is None else row.clean_value for row in rows],
        [max(row.ci_high - row.value, row.value - row.ci_low) / NORMAL_95 for row in rows],
    ]
    return RunRecord(
        run_id=result.run_id,
        group_id=result.group_id,
        sha256=result.sha256,
        updated=result.updated,
        data=" and ".join(dict.fromkeys(origin.id for origin in origins)),
        data_revision=origins[0].revision if len({origin.revision for origin in origins}) == 1 else None,
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
        processed_tokens=training.budget.processed_tokens,
        seconds=training.seconds,
        peak_memory_bytes=training.peak_memory_bytes,
        selected_step=training.selected_step,
        tuned_trials=tuned_trials([result]),
        device=result.environment.device,
        packages=dict(result.environment.packages),
        sample=result.sample,
        metric=result.main_metric,
        min_examples=least_examples(result),
        layout=layout_of([[*test_of(row), scored_rows(result, row), row.n, row.metric_version] for row in rows]),
        values=np.array(values),
    )


def test_origins(result: RunResult) -> list[DataSection | RowsOrigin]:
    """The source of the rows of each test set that was scored; the document's own where none is named."""
    rows = [row for row in result.data.used if row.split == "test"]
    named = [row.origin for row in rows] + [row.origin for row in result.data.pairs]
    return [origin or result.data for origin in named] or [result.data]


def test_of(row: ScoreRow) -> Test:
    """The test set and condition of a score."""
    pair = ":".join(row.pair) if row.pair else None
    return Test(row.condition, row.perturbation, row.attack, row.language, pair, "\n".join(row.worst_of))


def check_values(result: RunResult) -> None:
    """Raises UserError for values out of bounds, rows that occur twice, and sums that do not add up."""
    seen = set()
    bounded = {name: metric_of_output(name) is not None for name in {row.metric for row in result.scores}}
    for row in result.scores:
        if (wrong := _wrong(row, bounded[row.metric])) is not None:
            raise UserError(f"{row.metric} of {shown_key(row.key)} {wrong}")
        if row.condition == "worst_case" and row.worst_of != perturbations_tried(result, row.language):
            raise UserError(f"{row.metric} of {shown_key(row.key)} is of other perturbations than {row.name} has")
        seen.add((row.key, row.metric))
    if len(seen) < len(result.scores):
        raise UserError("a score occurs twice")
    if result.summary is not None and not _same(
        *(
            None if summary is None else summary.model_dump(mode="json")
            for summary in (result.summary, summarise(result))
        )
    ):
        raise UserError("its summary does not fit its scores")


def _wrong(row: ScoreRow, bounded: bool) -> str | None:
    """Says what is wrong with a score; None if nothing is."""
    values = [row.value, row.ci_low, row.ci_high, *(v for v in (row.clean_value, row.value_all) if v is not None)]
    if not all(map(math.isfinite, values)) or (bounded and not 0 <= min(values) <= max(values) <= 1):
        return f"is out of bounds: {row.value}, {row.ci_low} to {row.ci_high}"
    if row.n < 1 or row.ci_low > row.ci_high or not 0 <= row.coverage <= 1:
        return f"is out of bounds: {row.n} examples, coverage {row.coverage}, {row.ci_low} to {row.ci_high}"
    if row.drop is not None and not math.isclose(row.drop, (row.clean_value or 0) - row.value, abs_tol=1e-9):
        return "has a drop that is not its score on clean text minus that under the condition"
    return None


def _same(one: Any, other: Any) -> bool:
    """True if two plain values are equal, numbers to 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
