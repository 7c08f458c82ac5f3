"""Our metrics behind the interface of Hugging Face's `evaluate`, and metrics of counts that a task brings itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from xrobust.contracts.metric import Metric
from xrobust.errors import UserError
from xrobust.metrics import evaluate_metric
from xrobust.metrics.by_name import metric
from xrobust.metrics.scores import score

GOLD = [["B-PER", "I-PER", "O"], ["B-LOC", "O"], ["O", "B-ORG", "O", "B-PER"]]
GUESS = [["B-PER", "I-PER", "O"], ["B-PER", "O"], ["O", "B-ORG", "I-ORG", "B-PER"]]


def test_the_same_numbers_as_ours() -> None:
    wrapped = evaluate_metric("span_f1")
    assert wrapped.compute(references=GOLD, predictions=GUESS) == metric("span_f1")(GOLD, GUESS)
    for gold, guess in zip(GOLD, GUESS, strict=True):
        wrapped.add_batch(references=[gold], predictions=[guess])
    assert wrapped.compute() == metric("span_f1")(GOLD, GUESS)
    labels = evaluate_metric("accuracy").compute(references=["a", "b", "c"], predictions=["a", "b", "b"])
    assert labels == {"accuracy": pytest.approx(2 / 3)}
    with pytest.raises(UserError, match="did you mean 'span_f1'"):
        evaluate_metric("spanf1")


class MacroF1(Metric):
    """A metric of a plugin's own that is not a mean: each example adds to hits, guesses and golds of its label."""

    name = "macro_f1"
    definition = "unweighted mean over labels of F1"
    outputs = ("macro_f1",)

    def statistics(self, references, predictions, labels):  # type: ignore[no-untyped-def]
        rows = np.zeros((len(references), 3, len(labels)))
        for row, gold, guess in zip(rows, references, predictions, strict=True):
            row[0, labels.index(gold)] = gold == guess
            row[1, labels.index(guess)] = row[2, labels.index(gold)] = 1
        return rows.reshape(len(references), -1)

    def score(self, counts):  # type: ignore[no-untyped-def]
        hits, guessed, actual = np.moveaxis(counts.reshape(*counts.shape[:-1], 3, -1), -2, 0)
        return np.mean(2 * hits / np.maximum(guessed + actual, 1), axis=-1)[..., None]


def test_a_metric_of_a_tasks_own() -> None:
    rng = np.random.default_rng(0)
    gold, guess = (rng.choice(["a", "b", "c"], size=200, p=[0.6, 0.3, 0.1]).tolist() for _ in range(2))
    (found,) = score(MacroF1(), gold, guess)
    assert found.metric == "macro_f1"
    assert found.value == pytest.approx(f1_score(gold, guess, average="macro"))
    assert found.ci_low < found.value < found.ci_high
