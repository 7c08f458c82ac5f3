"""Carries out an evaluation: each language under each condition, then the pairs of languages."""

from __future__ import annotations

from xrobust.evaluation.plan import EvaluationPlan
from xrobust.evaluation.scorer import Scorer


def score_plan(plan: EvaluationPlan, scorer: Scorer) -> None:
    """Scores all of the plan that the document has no scores of."""
    for under in plan.with_predictions(scorer.result):
        scorer.forget_damaged(under)
    scorer.observers.call("phase_started", name="evaluate", total=plan.steps_left(scorer.result))
    for language in plan.languages:
        if not language.left(scorer.result):
            continue
        clean = language.clean
        test = clean.score(scorer) if clean.left(scorer.result) else clean.recall(scorer)
        for condition in language.conditions:
            if condition.left(scorer.result):
                condition.score(test, scorer)
    if plan.pairs is not None and plan.pairs.left(scorer.result):
        plan.pairs.score(scorer)
