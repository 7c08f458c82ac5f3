"""Predictions of a model, and its score on the dev set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts import Example, Kind, Prediction, Task
from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import Copies
from xrobust.engine.predict import predict
from xrobust.errors import shown
from xrobust.metrics.by_name import metric
from xrobust.metrics.calls import statistics_of_predictions, values_of


def predict_examples(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> list[Prediction]:
    """The model's predictions, in the order of `examples`."""
    return decoded(task.kind, predict(model, encoded, accelerator, pad_id), encoded, examples)


def decoded(
    kind: Kind, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]
) -> list[Prediction]:
    """`kind.decode`, checked: one prediction for each example, for tagging with a tag for each token, of the kind's
    labels and with probabilities that are numbers.

    A token that was cut away is to count as wrong, so it cannot go without a tag. Raises PluginError.
    """
    with calling(kind, "decode"):
        predictions = kind.decode(outputs, encoded, Copies(examples))
    if not isinstance(predictions, list | tuple) or not all(isinstance(one, Prediction) for one in predictions):
        raise blamed(kind, "decode", "", f"it gives {shown(predictions)}; a list of Prediction is expected")
    if len(predictions) != len(examples):
        raise blamed(kind, "decode", "", f"it gives {len(predictions)} predictions for {len(examples)} examples")
    if encoded.per_token:
        for example, prediction in zip(examples, predictions, strict=True):
            tokens = example.get(kind.gold_column)
            if tokens is None:
                tokens = example[kind.text_columns[0]]
            tags = prediction.value
            if not isinstance(tags, list | tuple) or len(tags) != len(tokens):
                given = f"{len(tags)} tags" if isinstance(tags, list | tuple) else shown(tags)
                raise blamed(
                    kind,
                    "decode",
                    f"example {example.get('id')}",
                    f"it gives {given} for {len(tokens)} tokens: each needs one, also a token that max_length cut away",
                )
    for example, prediction in zip(examples, predictions, strict=True):
        if (problem := _no_prediction(prediction, kind, per_token=encoded.per_token)) is not None:
            raise blamed(kind, "decode", f"example {example.get('id')}", problem)
    return list(predictions)


def _no_prediction(prediction: Prediction, kind: Kind, *, per_token: bool) -> str | None:
    """Reason that a prediction is none of the kind's labels, or not a number, in a few words, or None."""
    said = prediction.value if per_token else [prediction.value]
    for label in said:
        if not isinstance(label, str) or label not in kind.labels:
            return f"it gives the label {shown(label)}, which is none of {', '.join(map(str, kind.labels))}"
    try:
        if all(map(math.isfinite, prediction.scores)):
            return None
    except TypeError:
        pass
    return f"its probabilities are {shown(prediction.scores)}; a list of numbers is expected"


def dev_score(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> float:
    """The task's main metric on encoded examples, by which weights are selected on the source dev set.

    Raises PluginError where it is no number.
    """
    predictions = predict_examples(task, model, encoded, examples, accelerator, pad_id)
    scorer = metric(task.metrics[0])
    gold = [example[task.kind.gold_column] for example in examples]
    ids = [example["id"] for example in examples]
    rows = statistics_of_predictions(scorer, gold, predictions, task.kind.labels, ids)
    value = float(values_of(scorer, rows)[0])
    if not math.isfinite(value):
        raise blamed(scorer, "score", "the dev set", f"it is {value}, and no weights can be selected by it")
    return value
