"""Scores with 95% intervals, and intervals of drops between scores of the same examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xrobust.contracts.calling import blamed
from xrobust.contracts.metric import Metric, WholeSetMetric, labels_in
from xrobust.metrics.bootstrap import bootstrap_intervals
from xrobust.metrics.by_name import metric
from xrobust.metrics.calls import statistics_of, values_of
from xrobust.metrics.interval_method import DropMethod, LevelMethod
from xrobust.metrics.intervals import Interval, level_intervals, paired_drop_intervals


@dataclass(frozen=True)
class Score:
    """One value with its 95% interval over examples (sentences, for tagging)."""

    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    """Examples scored."""
    interval: LevelMethod
    """Method of the interval."""


def score(
    name: str | Metric, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str] | None = None
) -> list[Score]:
    """Scores with 95% intervals: one for each output of the metric. `labels` is the task's, or else those that occur.

    Raises UserError for an unknown metric and ValueError where the two differ in length or nothing is there to score.
    """
    scorer = metric(name)
    if not references:
        raise ValueError("nothing to score")
    if len(references) != len(predictions):
        raise ValueError(f"{len(references)} references and {len(predictions)} predictions")
    labels = labels_in(references, predictions) if labels is None else labels
    return score_rows(scorer, statistics_of(scorer, references, predictions, labels))


def score_rows(scorer: Metric, rows: np.ndarray) -> list[Score]:
    """`score`, of the statistics of each example: (examples, k).

    Raises PluginError for a value that is no number, or that is not between 0 and 1 though the metric is `bounded`.
    """
    values = values_of(scorer, rows)
    for output, value in zip(scorer.outputs, values, strict=True):
        step = "score_set" if isinstance(scorer, WholeSetMetric) else "score"
        if not math.isfinite(value):
            raise blamed(scorer, step, "", f"{output} of {len(rows)} examples is {value}: no score can be written")
        if scorer.bounded and not 0 <= value <= 1:
            raise blamed(scorer, step, "", f"{output} is {value}; the metric says that it is `bounded` by 0 and 1")
    intervals = level_intervals(scorer, rows) if _has_formula(scorer) else bootstrap_intervals(scorer, rows)
    method: LevelMethod = "agresti_coull" if _has_formula(scorer) else "bootstrap"
    return [
        Score(output, float(value), low, high, len(rows), method)
        for output, value, (low, high) in zip(scorer.outputs, values, intervals, strict=True)
    ]


def drop_intervals(scorer: Metric, before: np.ndarray, after: np.ndarray) -> list[Interval]:
    """95% intervals of score(before) - score(after), one for each output; both are statistics of the same examples.

    They are paired: what makes an example hard for both does not widen the interval.
    """
    if _has_formula(scorer):
        return paired_drop_intervals(scorer, before, after)
    return bootstrap_intervals(scorer, before, after)


def drop_method(scorer: Metric) -> DropMethod:
    """Method of `drop_intervals`."""
    return "agresti_min" if _has_formula(scorer) else "bootstrap"


def _has_formula(scorer: Metric) -> bool:
    """True where an interval needs no bootstrap: scores between 0 and 1 that are functions of summed statistics."""
    return scorer.bounded and not isinstance(scorer, WholeSetMetric)
