"""The metrics of xrobust for users of Hugging Face's `evaluate`: `evaluate_metric("span_f1").compute(...)`."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Features, Sequence, Value

from xrobust.contracts.metric import Metric
from xrobust.errors import UserError
from xrobust.metrics.by_name import metric


class _Wrapped(evaluate.Metric):
    """Labels are strings: one for each example, or for tagging a list of them."""

    def __init__(self, wrapped: Metric, **options: Any) -> None:
        self._wrapped = wrapped
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        one, many = Value("string"), Sequence(Value("string"))
        return evaluate.MetricInfo(
            description=self._wrapped.definition,
            citation="",
            features=[Features({"predictions": feature, "references": feature}) for feature in (many, one)],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return self._wrapped(references, predictions)


def evaluate_metric(name: str | Metric) -> evaluate.Metric:
    """A metric as an `evaluate.Metric`: `add_batch`, `compute`, and whatever else takes one (`Trainer`, `combine`).

    Its values are fractions of 1, the very numbers of a result document. Raises UserError for an unknown id, and
    for a metric of probabilities.
    """
    wrapped = metric(name)
    if wrapped.needs_probabilities:
        raise UserError(f"metric {wrapped.name} is of probabilities, and a metric of evaluate is given labels alone")
    return _Wrapped(wrapped, config_name=wrapped.name)
