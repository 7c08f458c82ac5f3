"""Calibration of the probabilities that a model gives to its predictions: the expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.kind import Prediction
from xrobust.contracts.metric import Metric
from xrobust.metrics.ratio import ratio_or_zero

BINS = 15
ABOVE_ONE = 1e-6
"""Rounding in single precision may lift a probability above 1 by that much."""


class ExpectedCalibrationError(Metric):
    """Mean distance between confidence and accuracy, over 15 bins of equal width (Guo et al., ICML 2017, section 2).

    The confidence of a label is the probability of the most probable one. Bin m of M holds the confidences in
    ((m - 1) / M, m / M], the first one also 0. Over bins B_m of n labels, ECE = sum_m |B_m| / n |acc(B_m) - conf(B_m)|,
    that is sum_m |right labels in B_m - sum of confidences in B_m| / n; for tagging, over the tokens of all sentences.
    Confidences are taken in float32, in which they are saved: so saved predictions give the very same score.

    A well calibrated model has 0. With few examples the score is too high, since chance differences in a bin count as
    much as real ones: compare models on the same examples.
    """

    name = "ece"
    definition = (
        "expected calibration error: |accuracy - mean confidence| in 15 equal bins of the predicted label's "
        "probability, weighted by their labels; for tagging, over tokens; lower is better"
    )
    outputs = ("ece",)
    bounded = True
    needs_labels = False
    needs_probabilities = True
    lower_is_better = True

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """float64 (examples, 3 * 15): labels, right labels and the sum of their confidences in each bin.

        Raises ValueError for a prediction without probabilities, or with numbers that are none.
        """
        confidences = [_confidences(one) for one in predictions]
        right = [_right(gold, one.value) for gold, one in zip(references, predictions, strict=True)]
        confidence = np.array([value for its in confidences for value in its], dtype=np.float32)
        if len(wrong := confidence[(confidence < 0) | (confidence > 1 + ABOVE_ONE)]):
            raise ValueError(f"{wrong[0]} is no probability")
        examples = len(predictions)
        place = np.repeat(np.arange(examples), [len(its) for its in confidences]) * BINS + bins(confidence)
        columns = (np.ones(len(place)), [value for its in right for value in its], np.minimum(confidence, 1))
        counts = [np.bincount(place, values, examples * BINS).reshape(examples, BINS) for values in columns]
        return np.concatenate(counts, axis=1)

    def score(self, counts: np.ndarray) -> np.ndarray:
        total, right, confidence = np.moveaxis(counts.reshape(*counts.shape[:-1], 3, BINS), -2, 0)
        return ratio_or_zero(np.abs(right - confidence).sum(axis=-1), total.sum(axis=-1))[..., None]


def bins(confidence: np.ndarray) -> np.ndarray:
    """Index of the bin of each confidence, float32 (labels,): open below and closed above, in float32 arithmetic."""
    borders = (np.arange(1, BINS) / BINS).astype(np.float32)
    return np.searchsorted(borders, confidence, side="left")


def _confidences(prediction: Prediction) -> Sequence[float]:
    """The confidence of each predicted label of an example."""
    if not isinstance(prediction, Prediction):
        raise ValueError(f"{prediction!r} has no probabilities: an object of Prediction is expected")
    value, scores = prediction.value, prediction.scores
    if isinstance(value, str) and len(scores):
        return [max(scores)]
    if isinstance(value, str) or len(scores) != len(value):
        labels = 1 if isinstance(value, str) else len(value)
        raise ValueError(f"{len(scores)} probabilities with {labels} predicted labels")
    return scores


def _right(gold: Any, value: Any) -> list[bool]:
    if isinstance(gold, str):
        return [gold == value]
    return [a == b for a, b in zip(gold, value, strict=True)]
