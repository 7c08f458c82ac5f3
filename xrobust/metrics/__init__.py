"""Metrics, each defined once, and their bootstrap intervals.

A metric is a sum of per-example statistics and a function of that sum: accuracy is (correct, total), span F1 is (true
positives, predicted, gold). So one pass over the examples gives the score, and 1,000 bootstrap draws are one matrix
product instead of 1,000 calls of a scorer.
"""

from xrobust.contracts.metric import Metric
from xrobust.metrics.bootstrap import BOOTSTRAP_DRAWS, Score, bootstrap, drop_intervals, score, score_rows, worst_rows
from xrobust.metrics.by_name import metric
from xrobust.metrics.classification import Accuracy, MacroF1
from xrobust.metrics.spans import SpanF1, XtremeF1

__all__ = [
    "BOOTSTRAP_DRAWS",
    "Accuracy",
    "MacroF1",
    "Metric",
    "Score",
    "SpanF1",
    "XtremeF1",
    "bootstrap",
    "drop_intervals",
    "metric",
    "score",
    "score_rows",
    "worst_rows",
]
