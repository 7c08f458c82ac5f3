"""Metrics: scores that are a function of summed per-example statistics, and scores of a whole set.

Importing this module does not import numpy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xrobust.contracts.kind import Prediction

if TYPE_CHECKING:
    import numpy as np


class Metric(ABC):
    """A named score of predictions against references.

    Accuracy is (right, all) summed over examples, and their ratio: so one pass over the examples gives the score, and
    scores without one example, and of bootstrap draws, need no other. Subclass it in a plugin, and put an object of the
    class into `Task.metrics`.
    """

    name: str
    definition: str
    outputs: tuple[str, ...]
    """Names of the values it gives; the first is the score that carries the metric's name."""
    needs_labels: bool = True
    """False where `statistics` does not look at `labels`."""
    bounded: bool = False
    """True where all outputs lie between 0 and 1. Then intervals are made by a formula, else by the bootstrap."""
    needs_probabilities: bool = False
    """True where `statistics` is given objects of `Prediction`, with the model's probabilities, for predicted labels
    alone."""
    lower_is_better: bool = False
    """True for an error. It cannot be a task's first metric, by which weights are selected."""
    version: int = 1
    """Raise it whenever the same predictions get another score: scores of two versions are not to be compared."""

    def prepare(self) -> None:
        """Loads what the metric needs. Called while a run is planned; raises UserError for what is not there."""
        return

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

        What finds the worst case over perturbations; the denominators are the sizes of examples in intervals.
        """
        return None

    def __call__(
        self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str] | None = None
    ) -> dict[str, float]:
        """The scores of one set of predictions, by name. `labels` is the task's, by default those that occur."""
        labels = labels_in(references, predictions) if labels is None else labels
        counts = self.statistics(references, predictions, labels).sum(axis=0)
        return dict(zip(self.outputs, (float(v) for v in self.score(counts)), strict=True))


class WholeSetMetric(Metric):
    """A score of all predictions together that no sum of per-example statistics gives: a rank correlation, BLEU.

    Subclass it in a plugin where `Metric` does not fit: each bootstrap draw is another call of `score_set`, so there
    are fewer draws. Its "statistics" are the pairs of reference and prediction themselves.
    """

    draws: int = 200
    """Bootstrap draws of an interval. With 200, an end of the interval is uncertain by a tenth of its half width."""

    @abstractmethod
    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> Sequence[float]:
        """The outputs, in their order, of at least one example; fractions of 1. NaN where there is no score."""

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """object (examples, 2): each example's reference and prediction, as `score_set` takes them.

        Raises ValueError where the two differ in length.
        """
        import numpy as np

        rows = np.empty((len(references), 2), dtype=object)
        for row, (reference, prediction) in enumerate(zip(references, predictions, strict=True)):
            rows[row, 0], rows[row, 1] = reference, prediction  # one by one: a list of tags is one value
        return rows

    def score(self, counts: np.ndarray) -> np.ndarray:
        """Raises TypeError: there are no counts to be summed. `xrobust.metrics.values_of` scores rows of any metric."""
        raise TypeError(f"metric {self.name} is a function of the whole set, not of summed counts: use values_of")

    def __call__(
        self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str] | None = None
    ) -> dict[str, float]:
        """The scores of one set of predictions, by name. `labels` is the task's, by default those that occur."""
        labels = labels_in(references, predictions) if labels is None else labels
        rows = self.statistics(references, predictions, labels)
        values = self.score_set(list(rows[:, 0]), list(rows[:, 1]))
        return dict(zip(self.outputs, (float(v) for v in values), strict=True))


def labels_in(*sets: Sequence[Any]) -> list[str]:
    """The labels that occur in references and predictions, sorted; of tagging each example has a list of them."""
    found: set[str] = set()
    for examples in sets:
        for one in examples:
            labels = one.value if isinstance(one, Prediction) else one
            found.update([labels] if isinstance(labels, str) else labels)
    return sorted(found)
