"""What a model predicts of examples, and its score on the dev set."""

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
    """The task's main metric on encoded examples: what selection on the source dev set goes by."""
    guesses = predict_examples(task, model, encoded, examples, accelerator, pad_id)
    scorer = metric(task.metrics[0])
    gold = [example[task.kind.gold_column] for example in examples]
    return scorer(gold, [guess.value for guess in guesses])[scorer.outputs[0]]
