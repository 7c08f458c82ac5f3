"""Questions of what explains the scores of languages, answered together: correlations with adjusted p-values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrobust.analysis.correlation import Correlation, correlation, undefined
from xrobust.analysis.related import related_correlation, undefined_of_related
from xrobust.metrics.inference import holm


@dataclass(frozen=True)
class Question:
    """Does `predictor` explain `outcome`? Points with both values count; `x` and `y` have the same kind of keys."""

    outcome: str
    predictor: str
    x: Mapping[Any, float]
    y: Mapping[Any, float]
    groups: Mapping[Any, str] | None = None
    """Group of related points that each point is of; None where they are taken for independent."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question. `correlation` is None where `reason` says why there is none."""

    outcome: str
    predictor: str
    n: int
    correlation: Correlation | None = None
    pearson_holm: float | None = None
    """The p-value adjusted for all the tests that were made together, by Holm's method."""
    spearman_holm: float | None = None
    reason: str | None = None


def answers(questions: Sequence[Question]) -> list[Answer]:
    """The correlation for each question, with p-values adjusted for all of them together, both coefficients counted."""
    found: list[Correlation | str] = []
    sizes: list[int] = []
    for question in questions:
        points = [key for key in question.y if key in question.x]
        x, y = [question.x[key] for key in points], [question.y[key] for key in points]
        sizes.append(len(points))
        if question.groups is None:
            found.append(undefined(x, y) or correlation(x, y))
        else:
            groups = [question.groups[key] for key in points]
            found.append(undefined_of_related(x, y, groups) or related_correlation(x, y, groups))
    tests = [c for c in found if isinstance(c, Correlation)]
    adjusted = iter(holm([p for c in tests for p in (c.pearson.p, c.spearman.p)]))
    return [
        Answer(q.outcome, q.predictor, n, reason=c)
        if isinstance(c, str)
        else Answer(q.outcome, q.predictor, n, c, next(adjusted), next(adjusted))
        for q, n, c in zip(questions, sizes, found, strict=True)
    ]


def number_of_tests(given: Sequence[Answer]) -> int:
    """How many p-values were adjusted together."""
    return 2 * sum(answer.correlation is not None for answer in given)
