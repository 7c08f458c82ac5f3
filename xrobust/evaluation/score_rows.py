"""Score rows of the document, made from the statistics of examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xrobust.contracts import Metric
from xrobust.metrics.calls import values_of
from xrobust.metrics.scores import Score, drop_intervals, drop_method, score_rows
from xrobust.results.attack_strength import AttackStrength
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow


class Scored(NamedTuple):
    """A test set under a condition that was scored: the columns that all of its scores have alike."""

    under: ScoreKey
    rows_sha256: str
    seconds: float
    epsilon: float | None = None
    worst_of: tuple[str, ...] = ()
    attack: AttackStrength | None = None

    def row(self, metric: Metric, score: Score, **columns: Any) -> ScoreRow:
        """The row of one score, with columns of its own."""
        return ScoreRow(
            **self.under.model_dump(),
            metric=score.metric,
            metric_version=metric.version,
            value=score.value,
            ci_low=score.ci_low,
            ci_high=score.ci_high,
            interval=score.interval,
            n=score.n,
            epsilon=self.epsilon,
            worst_of=self.worst_of,
            **(self.attack._asdict() if self.attack else {}),
            rows_sha256=self.rows_sha256,
            seconds=self.seconds,
            **columns,
        )


def clean_rows(scored: Scored, metrics: Sequence[Metric], statistics: Sequence[np.ndarray]) -> list[ScoreRow]:
    """The scores of a test set on clean text; `statistics` are (examples, k) for each metric."""
    return [
        scored.row(metric, score)
        for metric, rows in zip(metrics, statistics, strict=True)
        for score in score_rows(metric, rows)
    ]


def rows_beside_clean(
    scored: Scored,
    metrics: Sequence[Metric],
    clean: Sequence[np.ndarray],
    indices: Sequence[int],
    changed: Sequence[np.ndarray],
) -> list[ScoreRow]:
    """The scores of the examples `indices` after a change, beside the same examples on clean text.

    `clean` are the statistics of the whole test set and `changed` those of the examples that changed, for each metric.
    """
    rows = []
    at = list(indices)
    for metric, before, after in zip(metrics, clean, changed, strict=True):
        whole = before.copy()
        whole[at] = after
        same, everything = values_of(metric, before[at]), values_of(metric, whole)
        intervals = drop_intervals(metric, before[at], after)
        for k, score in enumerate(score_rows(metric, after)):
            columns = {
                "coverage": len(at) / len(before),
                "clean_value": float(same[k]),
                "drop": float(same[k]) - score.value,
                "drop_ci_low": intervals[k].low,
                "drop_ci_high": intervals[k].high,
                "drop_interval": drop_method(metric),
                "value_all": float(everything[k]),
            }
            rows.append(scored.row(metric, score, **columns))
    return rows
