"""Test sets with too few changed examples to stand in a mean over languages."""

from __future__ import annotations

from xrobust.config.robustness_settings import MIN_EXAMPLES
from xrobust.results.schema import RunResult


def least_examples(result: RunResult) -> int:
    """Fewest changed examples of a language that is in the means of a run: `robustness.min_examples`."""
    return result.spec.evaluation.min_examples or MIN_EXAMPLES


def is_small(condition: str, n: int, least: int) -> bool:
    """True for a score of so few changed examples that it stands in no mean; never for one on clean text."""
    return condition != "clean" and n < least
