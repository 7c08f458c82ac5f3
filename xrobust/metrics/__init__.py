"""Metrics, each defined once, and the intervals of their scores.

A metric is a sum of per-example statistics and a function of that sum: accuracy is (correct, total), span F1 is (true
positives, predicted, gold). So one pass over the examples gives the score, and the scores without each of them, which
intervals come from. A metric that is none of these is a `WholeSetMetric`.

Names are imported where they are first used: neither numpy nor `evaluate` is loaded before one needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xrobust.contracts.metric import Metric, WholeSetMetric

if TYPE_CHECKING:
    from xrobust.metrics.bootstrap import BOOTSTRAP_DRAWS
    from xrobust.metrics.by_name import metric
    from xrobust.metrics.calibration import ExpectedCalibrationError
    from xrobust.metrics.calls import values_of
    from xrobust.metrics.classification import Accuracy, MacroF1
    from xrobust.metrics.from_evaluate import FromEvaluate
    from xrobust.metrics.hf_evaluate import evaluate_metric
    from xrobust.metrics.scores import Score, drop_intervals, score, score_rows
    from xrobust.metrics.spans import SpanF1, SpanF1Strict, XtremeF1
    from xrobust.metrics.worst_case import worst_rows

_HOME = {
    "BOOTSTRAP_DRAWS": "bootstrap",
    "Accuracy": "classification",
    "ExpectedCalibrationError": "calibration",
    "FromEvaluate": "from_evaluate",
    "MacroF1": "classification",
    "Score": "scores",
    "SpanF1": "spans",
    "SpanF1Strict": "spans",
    "XtremeF1": "spans",
    "drop_intervals": "scores",
    "evaluate_metric": "hf_evaluate",
    "metric": "by_name",
    "score": "scores",
    "score_rows": "scores",
    "values_of": "calls",
    "worst_rows": "worst_case",
}

__all__ = [
    "BOOTSTRAP_DRAWS",
    "Accuracy",
    "ExpectedCalibrationError",
    "FromEvaluate",
    "MacroF1",
    "Metric",
    "Score",
    "SpanF1",
    "SpanF1Strict",
    "WholeSetMetric",
    "XtremeF1",
    "drop_intervals",
    "evaluate_metric",
    "metric",
    "score",
    "score_rows",
    "values_of",
    "worst_rows",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xrobust.metrics' has no attribute {name!r}")
    return getattr(import_module(f"xrobust.metrics.{_HOME[name]}"), name)
