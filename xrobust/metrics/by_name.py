"""Metrics by their ids."""

from __future__ import annotations

from xrobust.contracts.metric import Metric
from xrobust.errors import UserError, did_you_mean
from xrobust.metrics.calibration import ExpectedCalibrationError
from xrobust.metrics.classification import Accuracy, MacroF1
from xrobust.metrics.spans import SpanF1, SpanF1Strict, XtremeF1

_METRICS: dict[str, type[Metric]] = {
    m.name: m for m in (Accuracy, ExpectedCalibrationError, MacroF1, SpanF1, SpanF1Strict, XtremeF1)
}


def metric(name: str | Metric) -> Metric:
    """The metric of that id; a metric is its own. Raises UserError for an unknown id."""
    if isinstance(name, Metric):
        return name
    if name not in _METRICS:
        raise UserError(f"unknown metric {name!r}: {did_you_mean(name, _METRICS)}")
    return _METRICS[name]()


def metric_of_output(name: str) -> tuple[Metric, int] | None:
    """The built-in metric that computes a score of that name, and the score's place among its outputs, or None."""
    for cls in _METRICS.values():
        if name in cls.outputs:
            return cls(), cls.outputs.index(name)
    return None
