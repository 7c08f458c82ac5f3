"""Clean text: the test set of a language as it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from xrobust.contracts import Example, Source, Task
from xrobust.data.splits import DataRows, changed_just_now, load_split, origin_of
from xrobust.evaluation.conditions.base import ScoredTestSet, of_other_metrics
from xrobust.evaluation.score_rows import Scored, clean_rows
from xrobust.evaluation.scorer import Scorer
from xrobust.results.schema import RunResult, replace_rows
from xrobust.results.score_key import ScoreKey

logger = logging.getLogger("xrobust")


@dataclass(frozen=True)
class CleanTestSet:
    """The test set of one language, not read yet."""

    task: Task
    source: Source
    limit: int | None
    rows: DataRows
    """Number and sha256 of its rows."""

    @property
    def language(self) -> str:
        """Language of the test set."""
        return self.rows.language

    @property
    def under(self) -> ScoreKey:
        """The columns of its scores."""
        return ScoreKey(language=self.language)

    def left(self, result: RunResult) -> bool:
        """True if the document has no clean scores of these very rows in the task's metrics."""
        return self.language not in result.scored([self.rows]) or of_other_metrics(result, self.under, self.task)

    def score(self, scorer: Scorer) -> ScoredTestSet:
        """Scores the test set, and saves the scores. Whatever was scored on other rows of the language is forgotten."""
        started, result = time.perf_counter(), scorer.result
        examples, rows = self._load()
        if self.language in result.scored():
            same = self.language in result.scored([self.rows])
            why = "its metrics have changed" if same else "its test rows are not those that it was scored on"
            logger.info("%s is scored anew, under all conditions that are asked for: %s", self.language, why)
        encoded = scorer.encode(examples, rows.sha256)
        rows = rows.model_copy(update={"truncation": scorer.truncation(self.under, encoded, examples)})
        predictions = scorer.predict(encoded, examples, self.under)
        statistics = scorer.statistics(examples, predictions)
        scored = Scored(self.under, rows.sha256, time.perf_counter() - started)
        scores = clean_rows(scored, scorer.metrics, statistics)
        scorer.agree()
        known = {row.key for row in result.scores if row.language == self.language}
        known |= {
            ScoreKey(condition="perturbed", language=row.language, perturbation=row.perturbation)
            for row in result.data.perturbed
            if row.language == self.language
        }
        for under in known | {self.under}:
            scorer.forget(under)
        replace_rows(result, [rows], origin_of(self.task, self.source))
        scorer.save(self.under, scores, examples, predictions)
        return ScoredTestSet(self.language, examples, rows, predictions, statistics, encoded)

    def recall(self, scorer: Scorer) -> ScoredTestSet:
        """The test set with the predictions that an earlier command saved; predicts and saves them again if they are
        lost or changed."""
        examples, rows = self._load()
        saved = scorer.kept_predictions(self.under, [example["id"] for example in examples])
        if saved is not None:
            statistics = scorer.statistics(examples, saved)
            return ScoredTestSet(self.language, examples, rows, saved, statistics)
        encoded = scorer.encode(examples, rows.sha256)
        predictions = scorer.predict(encoded, examples, self.under)
        statistics = scorer.statistics(examples, predictions)
        artifacts = scorer.result.artifacts
        scorer.result.artifacts = [artifact for artifact in artifacts if artifact.of != self.under]
        scorer.save(self.under, [], examples, predictions)
        return ScoredTestSet(self.language, examples, rows, predictions, statistics, encoded)

    def _load(self) -> tuple[Sequence[Example], DataRows]:
        examples, rows = load_split(self.task, self.source, "test", self.language, self.limit)
        if rows.sha256 != self.rows.sha256:
            raise changed_just_now(self.task, "test", self.language)
        return examples, rows
