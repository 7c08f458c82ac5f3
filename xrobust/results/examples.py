"""Statistics of each test example of a run, from its saved predictions, checked against its document."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.contracts.kind import Prediction
from xrobust.contracts.metric import Metric
from xrobust.errors import PluginError, UserError
from xrobust.metrics.by_name import metric_of_output
from xrobust.metrics.calls import statistics_of
from xrobust.registry.plugins import Plugins
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow
from xrobust.results.store import predictions_table
from xrobust.results.worst_case import covering_perturbations

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-9
"""Largest difference between a score in the document and the same one computed again: sums in another order."""


@dataclass(frozen=True)
class ScoreMetric:
    """A metric that computes a column of scores."""

    metric: Metric
    output: int
    """Index of the score among the metric's outputs."""
    labels: tuple[str, ...]
    """The task's labels, so that a column of statistics is one label in all test sets; none where the metric needs
    none."""

    @property
    def name(self) -> str:
        return self.metric.outputs[self.output]


def score_metric(name: str, task: str, plugins: Plugins | None = None) -> ScoreMetric:
    """Finds the metric that a score's name stands for: a built-in one, or one that the task brings.

    Raises UserError where neither the core nor the task has it, and where the task, whose labels it needs, is not here.
    """
    built_in = metric_of_output(name)
    if built_in is not None and not built_in[0].needs_labels:
        return ScoreMetric(*built_in, ())
    try:
        cls = (plugins or Plugins()).load("tasks", task)
    except UserError as error:
        raise UserError(f"{error}; {name} is computed with its labels: name it with --plugin FILE") from error
    if built_in is not None:
        return ScoreMetric(*built_in, tuple(cls.kind.labels))
    for own in cls.metrics:
        if isinstance(own, Metric) and name in own.outputs:
            own.prepare()
            return ScoreMetric(own, own.outputs.index(name), tuple(cls.kind.labels))
    raise UserError(f"task {task} has no metric {name!r}: was its plugin changed since these runs were scored?")


@dataclass(frozen=True)
class ScoredExamples:
    """A test set under a condition."""

    ids: tuple[str, ...]
    rows: np.ndarray
    """float64 (examples, k): the metric's statistics."""


class RunExamples:
    """The scored examples of one run in one metric. Files are read once, and only those that are asked for."""

    def __init__(self, folder: Path, result: RunResult, scored_by: ScoreMetric) -> None:
        self.folder = folder
        self.result = result
        self.scored_by = scored_by
        self._scores = {row.key: row for row in result.scores if row.metric == scored_by.name}
        self.of = cache(self._of)
        self.clean_of = cache(self._clean_of)

    def score(self, key: ScoreKey) -> ScoreRow | None:
        """The document's row, or None."""
        return self._scores.get(key)

    @property
    def scored_keys(self) -> list[ScoreKey]:
        """All test sets and conditions that the run has scores of."""
        return list(self._scores)

    @property
    def scored_rows(self) -> list[ScoreRow]:
        """The document's rows of all test sets and conditions."""
        return list(self._scores.values())

    def predictions(self, key: ScoreKey, *more: str) -> dict[str, list[Any]]:
        """The columns `id`, `label`, `prediction`, and those named, of a file of predictions.

        Raises UserError for one that is missing, is another than the document says, or cannot be read.
        """
        artifact = self.result.predictions_of(key)
        where = f"run {self.result.run_id}, {shown_key(key)}"
        if artifact is None:
            raise UserError(f"{where}: the document names no file of predictions")
        try:
            n = self.result.examples_of(key)
            return predictions_table(self.folder, artifact, n, ("id", "label", "prediction", *more)).to_pydict()
        except UserError as error:
            raise UserError(f"{where}: {error}") from error

    def _of(self, key: ScoreKey) -> ScoredExamples:
        """Statistics of the examples of a test set under a condition. Raises UserError where its score is another."""
        row = self._scores.get(key)
        if row is None:
            raise UserError(f"run {self.result.run_id} has no score of {shown_key(key)}, which its worst case is over")
        found = self._worst_case(key) if key.condition == "worst_case" else self._read(key)
        self._check(row, found)
        return found

    def _clean_of(self, key: ScoreKey) -> ScoredExamples:
        """Statistics of the same examples on clean text."""
        changed = self.of(key)
        clean = self.of(clean_key(key))
        return ScoredExamples(changed.ids, clean.rows[self._places(clean, changed, key)])

    def _places(self, clean: ScoredExamples, changed: ScoredExamples, key: ScoreKey) -> list[int]:
        """The row of each changed example among the clean ones. Raises UserError where one is not there."""
        at = {example: i for i, example in enumerate(clean.ids)}
        if (other := next((example for example in changed.ids if example not in at), None)) is not None:
            raise UserError(
                f"run {self.result.run_id}, {shown_key(key)}: example {other!r} is not among the clean predictions"
            )
        return [at[example] for example in changed.ids]

    def _read(self, key: ScoreKey) -> ScoredExamples:
        by, probabilities = self.scored_by, self.scored_by.metric.needs_probabilities
        columns = self.predictions(key, *(["scores"] if probabilities else []))
        predicted = columns["prediction"]
        if probabilities:
            predicted = list(map(Prediction, predicted, columns["scores"]))
        try:
            rows = statistics_of(by.metric, columns["label"], predicted, by.labels, columns["id"])
        except PluginError as error:
            raise UserError(
                f"run {self.result.run_id}, {shown_key(key)}: its predictions cannot be scored ({error})"
            ) from error
        return ScoredExamples(tuple(columns["id"]), rows)

    def _worst_case(self, key: ScoreKey) -> ScoredExamples:
        """The worst of clean text and all perturbations of the language, example by example."""
        from xrobust.metrics.worst_case import worst_rows

        clean = self.of(clean_key(key))
        variants, changed = [clean.rows], set()
        for label in covering_perturbations(self.result, key.language):
            under = self.of(ScoreKey(condition="perturbed", language=key.language, perturbation=label))
            indices = self._places(clean, under, key)
            variant = clean.rows.copy()
            variant[indices] = under.rows
            variants.append(variant)
            changed.update(indices)
        order = sorted(changed)
        return ScoredExamples(tuple(clean.ids[i] for i in order), worst_rows(self.scored_by.metric, variants)[order])

    def _check(self, row: ScoreRow, found: ScoredExamples) -> None:
        from xrobust.metrics.calls import values_of

        where = f"run {self.result.run_id}, {shown_key(row.key)}"
        if row.metric_version != self.scored_by.metric.version:
            raise UserError(
                f"{where}: its {row.metric} is of version {row.metric_version}, and this xrobust computes version "
                f"{self.scored_by.metric.version}: score the run again with xrobust eval"
            )
        if len(found.ids) != row.n:
            raise UserError(f"{where}: {len(found.ids)} predictions where the document says {row.n} examples")
        if len(set(found.ids)) != len(found.ids):
            raise UserError(f"{where}: an id occurs twice among its predictions")
        value = float(values_of(self.scored_by.metric, found.rows)[self.scored_by.output])
        if not math.isclose(value, row.value, rel_tol=0, abs_tol=TOLERANCE):
            raise UserError(
                f"{where}: its predictions give {row.metric} {100 * value:.2f} where the document says "
                f"{100 * row.value:.2f}"
            )


def clean_key(key: ScoreKey) -> ScoreKey:
    """Key of a test set on clean text."""
    return ScoreKey(language=key.language, pair=key.pair)


def shown_key(key: ScoreKey) -> str:
    """A test set and its condition in messages: `de`, `de under typos`."""
    return key.name if key.label is None else f"{key.name} under {key.label}"
