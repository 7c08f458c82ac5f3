"""Predictions of a model, and its score on the dev set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xrobust.contracts import Example, Prediction, Task
from xrobust.contracts.encoded import Encoded
from xrobust.engine.predict import predict
from xrobust.metrics.by_name import metric


def predict_examples(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> list[Prediction]:
    """The model's predictions, in the order of `examples`."""
    return task.kind.decode(predict(model, encoded, accelerator, pad_id), encoded, examples)


def dev_score(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> float:
    """The task's main metric on encoded examples, by which weights are selected on the source dev set."""
    predictions = predict_examples(task, model, encoded, examples, accelerator, pad_id)
    scorer = metric(task.metrics[0])
    gold = [example[task.kind.gold_column] for example in examples]
    values = [prediction.value for prediction in predictions]
    return scorer(gold, values, task.kind.labels)[scorer.outputs[0]]
