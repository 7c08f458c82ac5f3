"""Scores test sets with a trained model: encodes, predicts, scores, and adds the rows to the document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xrobust.contracts import Example, Prediction, Task
from xrobust.contracts.encoded import Encoded
from xrobust.data.checks import unchanged
from xrobust.encoding.cache import EncodingCache
from xrobust.encoding.truncation import Truncation, truncation_of, warn_of_truncation
from xrobust.errors import NotANumber, RunError, UserError
from xrobust.metrics.by_name import metric
from xrobust.metrics.calls import statistics_of_predictions
from xrobust.results.examples import shown_key
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow
from xrobust.results.store import predictions_table, read_predictions
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers


@dataclass(frozen=True)
class ScoredModel:
    """A trained model that is scored, on its device."""

    model: Any
    tokenizer: Any
    max_length: int
    """Word pieces of an input, special tokens included, that it was trained with."""
    accelerator: Any


@dataclass(frozen=True)
class ScoreRecord:
    """The places that scores go to: the document, its folder, and the observers of the run."""

    result: RunResult
    folder: RunFolder
    observers: Observers


class ScoringFailed(Exception):
    """A test set cannot be scored on all processes, since a plugin failed on one; the message says how."""


class Scorer:
    """Scores one trained model on one task. Each score is on disk before the next is begun."""

    def __init__(self, task: Task, scored: ScoredModel, record: ScoreRecord) -> None:
        self.task = task
        self.model = scored.model
        self.tokenizer = scored.tokenizer
        self.max_length = scored.max_length
        self.accelerator = scored.accelerator
        self.result = record.result
        self.folder = record.folder
        self.observers = record.observers
        self.metrics = [metric(name) for name in task.metrics]
        self.encodings = EncodingCache(task.kind, scored.tokenizer, scored.max_length, scored.accelerator)
        self._cut: set[str] = set()
        """Languages of which it was said that their examples are cut."""

    def encode(self, examples: Sequence[Example], rows_sha256: str) -> Encoded:
        """Encodes the examples, or reads them from the cache if it has these rows."""
        self.agree()
        where = f"{self.task.info.name} test examples"
        return self.encodings.encode({"rows": rows_sha256}, lambda: unchanged(examples, rows_sha256, where))

    def truncation(self, under: ScoreKey, encoded: Encoded, examples: Sequence[Example]) -> Truncation | None:
        """Counts what `max_length` cut away from a test set, and logs it once a language where that is much."""
        from xrobust.models.description import length_limit

        found = truncation_of(encoded, self.task.kind, examples)
        languages = under.pair or (under.language or "",)
        if self._cut.isdisjoint(languages):
            where = f"{self.task.info.name} test {shown_key(under)}"
            if warn_of_truncation(where, found, self.max_length, length_limit(self.model, self.tokenizer)):
                self._cut.update(languages)
        return found

    def predict(self, encoded: Encoded, examples: Sequence[Example], under: ScoreKey) -> list[Prediction]:
        """The model's predictions, in the order of `examples`; `under` is the test set and condition that they are of.

        Raises RunError, which names these, for an output that is not a number.
        """
        from xrobust.evaluation.predictions import predict_examples

        self.agree()
        pad_id = self.tokenizer.pad_token_id
        with named(under):
            return predict_examples(self.task, self.model, encoded, examples, self.accelerator, pad_id)

    def statistics(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[np.ndarray]:
        """For each metric of the task the statistics of each example: (examples, k)."""
        gold = [example[self.task.kind.gold_column] for example in examples]
        return self.statistics_beside(gold, predictions, [example["id"] for example in examples])

    def statistics_beside(
        self, gold: Sequence[Any], predictions: Sequence[Prediction], ids: Sequence[str]
    ) -> list[np.ndarray]:
        """For each metric of the task the statistics of predictions beside gold labels: (examples, k)."""
        labels = self.task.kind.labels
        return [statistics_of_predictions(scorer, gold, predictions, labels, ids) for scorer in self.metrics]

    def agree(self, error: Exception | None = None) -> None:
        """Raises ScoringFailed, on all processes, where one of them comes with an error.

        Called before each exchange between processes, and before scores are saved: where a plugin fails on one process
        alone, the others neither wait for it nor save what it does not have.
        """
        said = [None if error is None else str(error)]
        if self.accelerator.num_processes > 1:
            from accelerate.utils import gather_object

            said = gather_object(said)
        first = next((text for text in said if text is not None), None)
        if first is not None:
            raise ScoringFailed(first)

    @cached_property
    def embedding_norm(self) -> float:
        """The unit of a relative radius, as the document has it: the same for every method (`ModelSection`)."""
        if self.result.model.embedding_norm is None:  # a document from before it was written down
            from xrobust.models.pretrained import load_encoder
            from xrobust.models.trained import check_unchanged

            assert self.result.local is not None, "a model is scored where it was trained"
            train, base = self.result.spec.train, self.result.local.model_path
            check_unchanged(base, train.model)
            encoder = load_encoder(self.task.kind, base, revision=train.model.get("revision"), seed=train.seed)
            self.result.model.embedding_norm = encoder.embedding_norm()
        return self.result.model.embedding_norm

    def kept_predictions(self, under: ScoreKey, ids: Sequence[str]) -> list[Prediction] | None:
        """The predictions that an earlier command wrote; None, with a warning, where they are lost or changed."""
        artifact = self.result.predictions_of(under)
        reason = "the document names no predictions"
        if artifact is not None:
            try:
                rows = read_predictions(self.folder.path, artifact, self.result.examples_of(under))
            except UserError as error:
                reason = str(error)
            else:
                if [row["id"] for row in rows] == list(ids):
                    return [Prediction(row["prediction"], row["scores"]) for row in rows]
                reason = "the ids of its predictions are not those of its test rows"
        self.result.warn(f"{shown_key(under)} is predicted again: {reason}")
        return None

    def forget_damaged(self, under: ScoreKey) -> None:
        """Removes a test set under a condition from the document, with a warning, where its predictions are damaged."""
        artifact = self.result.predictions_of(under)
        if artifact is None:
            return
        try:
            predictions_table(self.folder.path, artifact, self.result.examples_of(under), ("id",))
        except UserError as error:
            self.result.warn(f"{shown_key(under)} is scored again: {error}")
            self.forget(under)

    def forget(self, under: ScoreKey) -> None:
        """Removes a test set under a condition from the document, just before its new scores are added."""
        result = self.result
        result.scores = [row for row in result.scores if row.key != under]
        result.artifacts = [artifact for artifact in result.artifacts if artifact.of != under]
        if under.condition == "perturbed":
            key = (under.language, under.perturbation)
            result.data.perturbed = [row for row in result.data.perturbed if (row.language, row.perturbation) != key]

    def save(
        self,
        under: ScoreKey,
        scores: Sequence[ScoreRow],
        examples: Sequence[Example] = (),
        predictions: Sequence[Prediction] = (),
    ) -> None:
        """Adds scores to the document, writes it and the predictions, and tells the observers."""
        main = self.accelerator.is_main_process
        with signals.held():  # or the predictions would have to be made again
            if main and predictions:
                artifact = self.folder.save_predictions(under, self.task.kind, examples, predictions)
                self.result.artifacts.append(artifact)
            self.result.scores = in_order([*self.result.scores, *scores], self.result)
            self.result.settle(under)
            if main:
                self.folder.save(self.result)
        for row in scores:
            self.observers.call("language_scored", row=row.model_dump(mode="json"))


@contextmanager
def named(under: ScoreKey) -> Iterator[None]:
    """Context in which an output that is not a number is a RunError that names the test set and its condition."""
    try:
        yield
    except NotANumber as error:
        raise RunError(f"{shown_key(under)}: {error}") from error


def in_order(rows: Sequence[ScoreRow], result: RunResult) -> list[ScoreRow]:
    """Sorts rows by language, then clean text, perturbations as first requested, attacks, and the worst case."""
    spec = result.spec.evaluation
    places = {code: i for i, code in enumerate((*spec.languages, *spec.pairs))}
    labels = {perturbation.label: i for i, perturbation in enumerate(spec.perturbations)}
    conditions = ("clean", "perturbed", "attack", "worst_case")

    def place(row: ScoreRow) -> tuple[int, int, int, float]:
        test = places.get(row.pair or row.language or "", len(places))
        label = labels.get(row.perturbation or "", len(labels))
        return test, conditions.index(row.condition), label, row.epsilon or 0.0

    return sorted(rows, key=place)
