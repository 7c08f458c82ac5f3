"""Predictions of a model, and its score on the dev set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts import Example, Kind, Prediction, Task
from xrobust.contracts.encoded import Encoded
from xrobust.engine.predict import predict
from xrobust.errors import RunError
from xrobust.metrics.by_name import metric


def predict_examples(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> list[Prediction]:
    """The model's predictions, in the order of `examples`."""
    return decoded(task.kind, predict(model, encoded, accelerator, pad_id), encoded, examples)


def decoded(
    kind: Kind, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]
) -> list[Prediction]:
    """`kind.decode`, checked: one prediction for each example, for tagging with a tag for each token.

    A token that was cut away is to count as wrong, so it cannot go without a tag. Raises RunError where one does.
    """
    predictions = kind.decode(outputs, encoded, examples)
    if len(predictions) != len(examples):
        raise RunError(
            f"kind {kind.name}: its decode gives {len(predictions)} predictions for {len(examples)} examples"
        )
    if encoded.per_token:
        for example, prediction in zip(examples, predictions, strict=True):
            tokens = example.get(kind.gold_column)
            if tokens is None:
                tokens = example[kind.text_columns[0]]
            if len(prediction.value) != len(tokens):
                raise RunError(
                    f"kind {kind.name}: its decode gives {len(prediction.value)} tags for the {len(tokens)} tokens of "
                    f"example {example.get('id')}: each needs one, also a token that max_length cut away"
                )
    return predictions


def dev_score(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> float:
    """The task's main metric on encoded examples, by which weights are selected on the source dev set."""
    predictions = predict_examples(task, model, encoded, examples, accelerator, pad_id)
    scorer = metric(task.metrics[0])
    gold = [example[task.kind.gold_column] for example in examples]
    values = [prediction.value for prediction in predictions]
    return scorer(gold, values, task.kind.labels)[scorer.outputs[0]]
