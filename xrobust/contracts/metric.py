"""A metric: a sum of per-example statistics and a function of that sum. Importing this module does not import numpy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Metric(ABC):
    """A named score of predictions against references.

    Accuracy is (right, all) summed over examples, and their ratio: so one pass over the examples gives the score, and a
    bootstrap draw is a matrix product instead of another pass. Subclass it in a plugin, and put an object of the class
    into `Task.metrics`.
    """

    name: str
    definition: str
    outputs: tuple[str, ...]
    """Names of the values it gives; the first is the score that carries the metric's name."""
    version: int = 1
    """Raise it whenever the same predictions get another score: scores of two versions are not to be compared."""

    @abstractmethod
    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """float64 (examples, k): what each example adds to the counts.

        `labels` is the task's label set: what a column stands for must not depend on which other examples are given.
        """

    @abstractmethod
    def score(self, counts: np.ndarray) -> np.ndarray:
        """float64 (..., outputs) from summed counts (..., k). Fractions of 1."""

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Numerator and denominator, (...) each, where the score is the ratio of their sums over examples; else None.

        What finds the worst case over perturbations.
        """
        return None

    def __call__(
        self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str] | None = None
    ) -> dict[str, float]:
        """The scores of one set of predictions, by name. `labels` are by default those that occur."""
        labels = labels_in(references, predictions) if labels is None else labels
        counts = self.statistics(references, predictions, labels).sum(axis=0)
        return dict(zip(self.outputs, (float(v) for v in self.score(counts)), strict=True))


def labels_in(*sets: Sequence[Any]) -> list[str]:
    """The labels that occur in references and predictions, sorted; of tagging each example has a list of them."""
    found: set[str] = set()
    for examples in sets:
        for labels in examples:
            found.update([labels] if isinstance(labels, str) else labels)
    return sorted(found)
