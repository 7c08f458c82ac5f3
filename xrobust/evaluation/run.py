"""Carries out an evaluation: each language under each condition, then the pairs of languages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from xrobust.errors import NotAllScored, PluginError, RunError, UserError, one_line
from xrobust.evaluation.added_metrics import add_metrics
from xrobust.evaluation.plan import EvaluationPlan, LanguageConditions
from xrobust.evaluation.scorer import Scorer, ScoringFailed
from xrobust.results.examples import shown_key
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import LOG

logger = logging.getLogger("xrobust")

Value = TypeVar("Value")


def score_plan(plan: EvaluationPlan, scorer: Scorer) -> None:
    """Scores all of the plan that the document has no scores of.

    A test set that cannot be scored under a condition, because of a plugin or its data, is noted in the document, and
    the others are scored. Raises NotAllScored at the end where there was one.
    """
    result = scorer.result
    for under in plan.beside_clean:  # a clean test set is predicted again where its turn comes
        scorer.forget_damaged(under)
    asked = {one.of for one in result.unscored or ()}
    result.ask([key for key in plan.keys_left(result) if key not in asked], added=True)
    scorer.observers.call("phase_started", name="evaluate", total=plan.steps_left(scorer.result))
    attempts = _Attempts(scorer)
    for language in plan.languages:
        if language.left(scorer.result):
            _score_language(language, scorer, attempts)
    if plan.pairs is not None and (pairs := plan.pairs.left(scorer.result)):
        score_pair = plan.pairs.ready(scorer)
        for pair in pairs:
            attempts.make([ScoreKey(pair=pair)], lambda: score_pair(pair))  # noqa: B023 - called at once
    add_metrics(scorer)
    attempts.require_success()


def _score_language(language: LanguageConditions, scorer: Scorer, attempts: _Attempts) -> None:
    clean, result = language.clean, scorer.result
    if clean.left(result):
        test, error = attempts.make([clean.under], lambda: clean.score(scorer))
    else:
        test, error = attempts.tried(lambda: clean.recall(scorer))
    for condition in language.conditions:
        if condition.left(result):
            if test is None:
                attempts.failed(condition.keys, error)
            else:
                attempts.make(condition.keys, lambda: condition.score(test, scorer))  # noqa: B023 - called at once


class _Attempts:
    """Test sets whose scoring was tried, and those of them that it failed for."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._made = self._failed = 0
        self._first = ""

    def make(self, keys: Sequence[ScoreKey], score: Callable[[], Value]) -> tuple[Value | None, str]:
        """Scores a test set under a condition; its value, or None and the reason that it failed, which is noted."""
        value, error = self.tried(score)
        if error:
            self.failed(keys, error)
        elif keys[0].condition != "worst_case":  # which is no test set of its own
            self._made += 1
        return value, error

    def tried(self, score: Callable[[], Value]) -> tuple[Value | None, str]:
        """The value of `score`, or None and the reason that it failed, on all processes alike."""
        try:
            try:
                return score(), ""
            except Exception as error:
                if not self._is_its_own(error):
                    raise
                logger.debug("a test set could not be scored", exc_info=True)
                known = isinstance(error, PluginError | UserError)
                self._scorer.agree(error if known else RunError(f"{one_line(error)} (traceback in {LOG})"))
                raise
        except ScoringFailed as error:
            return None, str(error)

    def _is_its_own(self, error: Exception) -> bool:
        """True for what is about one test set and its plugins, which leaves the others to be scored.

        An unforeseen error is, unless other processes may wait for this one. A disk, or memory, that does not suffice
        is not.
        """
        if isinstance(error, PluginError | UserError):
            return True
        return self._scorer.accelerator.num_processes == 1 and not isinstance(
            error, RunError | ScoringFailed | OSError | MemoryError
        )

    def failed(self, keys: Sequence[ScoreKey], error: str) -> None:
        """Notes in the document and for observers that a test set could not be scored under a condition."""
        scorer = self._scorer
        self._made += 1
        self._failed += 1
        self._first = self._first or f"{shown_key(keys[0])}: {error}"
        logger.warning("%s could not be scored: %s", shown_key(keys[0]), error)
        for key in keys:
            scorer.result.note_failure(key, error)
        scorer.observers.call("scoring_failed", of=keys[0].model_dump(mode="json"), error=error)
        if scorer.accelerator.is_main_process:
            scorer.folder.save(scorer.result)

    def require_success(self) -> None:
        """Raises NotAllScored where a test set could not be scored."""
        if self._failed:
            others = "the others have their scores; " if self._failed < self._made else ""
            raise NotAllScored(
                f"{self._failed} of {self._made} test sets could not be scored; {others}the first, {self._first}"
            )
