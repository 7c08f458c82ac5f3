"""Score rows of the document, made from the statistics of examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xrobust.contracts import Metric
from xrobust.metrics.bootstrap import drop_intervals, score_rows
from xrobust.results.schema import ScoreRow
from xrobust.results.test_condition import TestCondition


def clean_rows(
    under: TestCondition,
    metrics: Sequence[Metric],
    statistics: Sequence[np.ndarray],
    rows_sha256: str,
    seconds: float,
) -> list[ScoreRow]:
    """The scores of a test set on clean text; `statistics` are (examples, k) for each metric."""
    return [
        ScoreRow(
            **under.model_dump(),
            metric=s.metric,
            metric_version=scorer.version,
            value=s.value,
            ci_low=s.ci_low,
            ci_high=s.ci_high,
            n=s.n,
            rows_sha256=rows_sha256,
            seconds=seconds,
        )
        for scorer, rows in zip(metrics, statistics, strict=True)
        for s in score_rows(scorer, rows)
    ]


def rows_beside_clean(
    under: TestCondition,
    metrics: Sequence[Metric],
    clean: Sequence[np.ndarray],
    indices: Sequence[int],
    changed: Sequence[np.ndarray],
) -> list[ScoreRow]:
    """The scores of the examples `indices` after a change, beside the same examples on clean text.

    `clean` are the statistics of the whole test set and `changed` those of the examples that changed, for each metric.
    The caller sets `rows_sha256`, `seconds` and `epsilon`.
    """
    rows = []
    at = list(indices)
    for scorer, before, after in zip(metrics, clean, changed, strict=True):
        whole = before.copy()
        whole[at] = after
        same, everything = scorer.score(before[at].sum(axis=0)), scorer.score(whole.sum(axis=0))
        intervals = drop_intervals(scorer, before[at], after)
        for k, s in enumerate(score_rows(scorer, after)):
            rows.append(
                ScoreRow(
                    **under.model_dump(),
                    coverage=len(at) / len(before),
                    metric=s.metric,
                    metric_version=scorer.version,
                    value=s.value,
                    ci_low=s.ci_low,
                    ci_high=s.ci_high,
                    n=s.n,
                    clean_value=float(same[k]),
                    drop=float(same[k]) - s.value,
                    drop_ci_low=intervals[k][0],
                    drop_ci_high=intervals[k][1],
                    value_all=float(everything[k]),
                    rows_sha256="",
                    seconds=0.0,
                )
            )
    return rows
