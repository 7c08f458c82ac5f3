"""A condition that test sets are scored under besides clean text, and the test set that is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xrobust.contracts import Example, Prediction, Task
from xrobust.contracts.encoded import Encoded
from xrobust.data.splits import DataRows
from xrobust.evaluation.scorer import Scorer
from xrobust.metrics.by_name import metric
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey


@dataclass
class ScoredTestSet:
    """The test set of one language, with the statistics of its clean predictions."""

    language: str
    examples: Sequence[Example]
    rows: DataRows
    predictions: Sequence[Prediction]
    """The clean predictions, in the order of `examples`."""
    clean: list[np.ndarray]
    """For each metric the statistics of each example: (examples, k)."""
    encoded: Encoded | None = None
    perturbed: dict[str, tuple[list[int], list[np.ndarray]]] = field(default_factory=dict)
    """Label -> the indices of the examples that a perturbation changed, and their statistics for each metric."""


class Condition(ABC):
    """A condition that the test set of one language is scored under."""

    language: str
    steps: int = 1
    """Number of test sets that it counts for in the progress bar."""

    @property
    @abstractmethod
    def keys(self) -> list[ScoreKey]:
        """The columns of its scores: one key for each test set that it counts for."""

    @abstractmethod
    def left(self, result: RunResult) -> bool:
        """True if the document has no scores of it, or others than it would get now. Asked when its turn comes."""

    @abstractmethod
    def score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        """Scores the test set, and saves the scores."""


def of_other_metrics(result: RunResult, under: ScoreKey, task: Task) -> bool:
    """True if the scores of a test set lack the task's main metric, or are in metrics or versions that it has no more.

    A metric that the task was given since needs no new predictions: `xrobust.evaluation.added_metrics`.
    """
    scored = {(row.metric, row.metric_version) for row in result.scores if row.key == under}
    main, *others = map(metric, task.metrics)
    own = {(output, one.version) for one in (main, *others) for output in one.outputs}
    return not {(output, main.version) for output in main.outputs} <= scored <= own
