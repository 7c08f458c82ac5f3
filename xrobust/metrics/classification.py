"""Metrics of labels: accuracy and macro F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.metric import Metric
from xrobust.metrics.ratio import ratio_or_zero


class Accuracy(Metric):
    """Right labels over all labels; for tagging over all tokens of all sentences (micro)."""

    name = "accuracy"
    definition = "correct labels / labels; for tagging, over tokens"
    outputs = ("accuracy",)
    bounded = True
    needs_labels = False

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(references), 2))
        for i, (gold, guess) in enumerate(zip(references, predictions, strict=True)):
            if isinstance(gold, str):
                rows[i] = (gold == guess, 1)
            else:
                rows[i] = (sum(a == b for a, b in zip(gold, guess, strict=True)), len(gold))
        return rows

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return counts[..., 0], counts[..., 1]

    def score(self, counts: np.ndarray) -> np.ndarray:
        return ratio_or_zero(*self.ratio(counts))[..., None]


class MacroF1(Metric):
    """Unweighted mean of the F1 of each label that occurs, in the gold or in the predictions of the rows scored.

    Equal to scikit-learn's `f1_score(average="macro")`: a label that is only predicted counts with F1 0, one that is
    neither gold nor predicted is left out.
    """

    name = "macro_f1"
    definition = (
        "F1 of each label, unweighted mean over the labels that occur in gold or predictions (scikit-learn's macro "
        "average); for tagging, over tokens"
    )
    outputs = ("macro_f1",)
    bounded = True

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        gold, guess = _as_lists(references), _as_lists(predictions)
        column = {label: i for i, label in enumerate(labels)}
        counts = np.zeros((len(gold), len(column), 3))
        try:
            for i, (actual, predicted) in enumerate(zip(gold, guess, strict=True)):
                for a, p in zip(actual, predicted, strict=True):
                    counts[i, column[a]] += (a == p, 0, 1)
                    counts[i, column[p], 1] += 1
        except KeyError as error:
            raise ValueError(f"label {error} is none of {', '.join(labels)}") from error
        return counts.reshape(len(gold), -1)

    def score(self, counts: np.ndarray) -> np.ndarray:
        hits, predicted, actual = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 3), -1, 0)
        occurs = predicted + actual
        return ratio_or_zero(ratio_or_zero(2 * hits, occurs).sum(axis=-1), (occurs > 0).sum(axis=-1).astype(float))[
            ..., None
        ]


def _as_lists(labels: Sequence[Any]) -> list[list[str]]:
    """The labels of each example: one, or those of its tokens."""
    return [[label] if isinstance(label, str) else list(label) for label in labels]
