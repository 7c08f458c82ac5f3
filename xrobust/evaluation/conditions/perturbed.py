"""Perturbed text: the examples of a test set that a perturbation changed, beside the same on clean text."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xrobust.contracts import Example, NotCovered, Perturbation, Prediction, Task
from xrobust.data.checks import fingerprint, require_unchanged
from xrobust.errors import PluginError
from xrobust.evaluation.apply_perturbation import AppliedPerturbation, perturb
from xrobust.evaluation.conditions.base import Condition, ScoredTestSet
from xrobust.evaluation.requested_perturbations import RequestedPerturbation
from xrobust.evaluation.score_rows import Scored, rows_beside_clean
from xrobust.evaluation.scorer import Scorer
from xrobust.results.host_free import host_free
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import PerturbedRows, ScoreRow
from xrobust.runtime.processes import first_of
from xrobust.storage import cache

logger = logging.getLogger("xrobust")

SECTION = "perturbed"
"""Section of the cache that holds perturbed rows."""


@dataclass
class PerturbedCondition(Condition):
    """A perturbation made ready for the test set of one language, or the reason why it does not cover it."""

    requested: RequestedPerturbation
    task: Task
    language: str
    test_sha256: str
    """Fingerprint of the clean test rows, which is part of the key."""
    key: str
    """sha256 over everything that the perturbed rows depend on, as far as `requested.code` tells."""
    files: dict[str, str]
    """sha256 of the files that it reads for this language."""
    reason: str | None
    """Reason that it does not cover the language, or None."""
    begin: Callable[[], Perturbation]
    """Prepares and returns the perturbation. Raises NotCovered."""
    failure: PluginError | None = None
    """Error of the perturbation while it was made ready, or of the task at the clean test set: there is no score."""

    @property
    def label(self) -> str:
        """Label of its scores."""
        return self.requested.spec.label

    @property
    def under(self) -> ScoreKey:
        """The columns of its scores."""
        return ScoreKey(condition="perturbed", language=self.language, perturbation=self.label)

    @property
    def keys(self) -> list[ScoreKey]:
        """The columns of its scores, as a list."""
        return [self.under]

    def left(self, result: RunResult) -> bool:
        """True unless the document has scores of these very rows, or says that there are none to score."""
        row = result.perturbed(self.language, self.label)
        if row is None or row.key != self.key:
            return True
        return bool(row.changed_examples) and not self._scored(result)

    def _scored(self, result: RunResult) -> bool:
        return any(score.key == self.under for score in result.scores)

    def score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        """Scores the examples that the perturbation changed: only these are encoded and predicted."""
        started = time.perf_counter()
        with first_of(scorer.accelerator):  # it caches the rows for the others
            document, changed = self.rows(test.examples)
        before = scorer.result.perturbed(self.language, self.label)
        if (
            before is not None
            and changed
            and before.rows_sha256 == document.rows_sha256
            and self._scored(scorer.result)
        ):
            # Edited code, or another version of a library, that makes the same rows: their scores stay.
            scorer.agree()
            perturbed = scorer.result.data.perturbed
            scorer.result.data.perturbed = [document if row is before else row for row in perturbed]
            scorer.save(self.under, [])
            return
        scores: list[ScoreRow] = []
        examples: list[Example] = []
        predictions: list[Prediction] = []
        if changed:
            indices = sorted(changed)
            examples = [changed[i] for i in indices]
            sha256 = document.rows_sha256 or fingerprint(examples)
            encoded = scorer.encode(examples, sha256)
            document.truncation = scorer.truncation(self.under, encoded, examples)
            predictions = scorer.predict(encoded, examples, self.under)
            statistics = scorer.statistics(examples, predictions)
            scored = Scored(self.under, sha256, time.perf_counter() - started)
            scores = rows_beside_clean(scored, scorer.metrics, test.clean, indices, statistics)
            scorer.agree()
            test.perturbed[self.label] = (indices, statistics)
        else:
            scorer.agree()
            reason = self.reason or ""
            logger.info("%s does not cover %s: %s", self.label, self.language, reason)
            scorer.observers.call("not_covered", language=self.language, perturbation=self.label, reason=reason)
        scorer.forget(self.under)
        worst = ScoreKey(condition="worst_case", language=self.language)
        scorer.forget(worst)  # it included the old scores
        if changed:
            own = next((one for one in scorer.result.unscored or () if one.of == self.under), None)
            scorer.result.ask([worst], added=own is None or own.added)
        scorer.result.data.perturbed.append(document)
        scorer.save(self.under, scores, examples, predictions)

    def rows(self, examples: Sequence[Example]) -> tuple[PerturbedRows, Mapping[int, Example]]:
        """The document's entry on the perturbed test set `examples`, and its changed rows, which are cached.

        Raises PluginError.
        """
        if self.failure is not None:
            raise self.failure
        applied = None if self.reason is not None else self._kept(examples) or self._make(examples)
        if applied is None:
            applied = AppliedPerturbation({}, 0, 0)
        elif not applied.rows:
            every = applied.none == len(examples)
            self.reason = "its apply returned None for every example" if every else "it changed no example"
        document = PerturbedRows(
            language=self.language,
            perturbation=self.label,
            key=self.key,
            examples=len(examples),
            changed_examples=len(applied.rows),
            tokens=applied.tokens,
            changed_tokens=applied.changed_tokens,
            coverage=len(applied.rows) / len(examples),
            reason=None if self.reason is None else host_free(self.reason),
            rows_sha256=fingerprint(applied.rows[i] for i in sorted(applied.rows)) if applied.rows else None,
            files=self.files,
        )
        return document, applied.rows

    def _make(self, examples: Sequence[Example]) -> AppliedPerturbation | None:
        spec = self.requested.spec
        try:
            applied = perturb(self.begin(), self.task.kind, examples, self.language, spec.seed)
        except NotCovered as reason:
            self.reason = str(reason)
            return None
        fingerprint(applied.rows.values(), f"perturbation {self.label} of {self.language}")  # they can be kept
        require_unchanged(examples, self.test_sha256, f"test set of {self.language}, perturbation {self.label}")
        if self.requested.code is not None:
            cache.write_lines(SECTION, self.key, applied.to_lines())
        return applied

    def _kept(self, examples: Sequence[Example]) -> AppliedPerturbation | None:
        if self.requested.code is None:
            return None
        perturbation, kind = self.requested.new(), self.task.kind
        return cache.read_lines(
            SECTION, self.key, lambda lines: AppliedPerturbation.of_lines(lines, perturbation, kind, examples)
        )
