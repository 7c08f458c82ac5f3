"""The part of a variance that comes from test examples: for the mean of an entry, and for the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xrobust.metrics.inference import Part, cluster_sums
from xrobust.results.board.record import Test, Under, condition
from xrobust.results.board.scores import EntryScores

ENOUGH = 1e6
"""Degrees of freedom of a variance that is taken as known."""


class ExampleVariances(Protocol):
    """Variances over test examples of means over the test sets under a condition."""

    def level(self, entry: str, under: Under) -> Part:
        """Of one entry's mean."""

    def matrix(self, entries: Sequence[str], under: Under) -> tuple[np.ndarray, np.ndarray]:
        """Of differences between all pairs: variances and degrees of freedom, (entries, entries) each."""


class Bounds:
    """Upper bounds from the intervals in the documents: nothing is known of how errors go together.

    The standard error of a mean is at most the mean of the standard errors (all languages hang together); that of a
    difference is taken as that of two separate test sets, as if two entries never erred on the same examples.
    """

    def __init__(self, scores: Mapping[str, EntryScores]) -> None:
        self._scores = scores
        self._levels: dict[tuple[str, Under], Part] = {}

    def level(self, entry: str, under: Under) -> Part:
        found = self._levels.get((entry, under))
        if found is None:
            scores = self._scores[entry]
            found = Part(float(scores.errors[:, scores.columns[under]].mean()) ** 2, ENOUGH)
            self._levels[entry, under] = found
        return found

    def matrix(self, entries: Sequence[str], under: Under) -> tuple[np.ndarray, np.ndarray]:
        levels = np.array([self.level(entry, under).variance for entry in entries])
        return levels[:, None] + levels[None, :], np.full((len(entries), len(entries)), ENOUGH)


class Influences:
    """Variances from saved predictions, exactly as `xrobust compare` has them."""

    def __init__(
        self,
        scores: Mapping[str, EntryScores],
        means: Mapping[str, Mapping[Test, np.ndarray]],
        ids: Mapping[tuple[Test, str], Sequence[str]],
    ) -> None:
        """
        Args:
            scores: entry -> its scores.
            means: entry -> test set -> influence of each example, averaged over its runs, (examples,).
            ids: test set and its rows -> ids of the examples, in order.
        """
        self._scores, self._means, self._ids = scores, means, ids

    def level(self, entry: str, under: Under) -> Part:
        sums = self._sums([entry], under)
        return Part(float(_covariance(sums)[0, 0]), max(sums.shape[1] - 1, 1))

    def matrix(self, entries: Sequence[str], under: Under) -> tuple[np.ndarray, np.ndarray]:
        sums = self._sums(entries, under)
        covariance = _covariance(sums)
        own = np.diag(covariance)
        variances = np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0)
        return variances, np.full(variances.shape, max(sums.shape[1] - 1, 1))

    def _sums(self, entries: Sequence[str], under: Under) -> np.ndarray:
        """Influence of each id on the mean over test sets: (entries, ids)."""
        number: dict[str, int] = {}
        covered = self._scores[entries[0]].covered(under)
        clusters = [
            np.array([number.setdefault(i, len(number)) for i in self._ids[one.test, one.rows]]) for one in covered
        ]
        return np.stack(
            [cluster_sums([self._means[entry][one.test] for one in covered], clusters) for entry in entries]
        )


def _covariance(sums: np.ndarray) -> np.ndarray:
    count = sums.shape[1]
    centred = sums - sums.mean(axis=1, keepdims=True)
    return count / max(count - 1, 1) * centred @ centred.T


@dataclass(frozen=True)
class Stored:
    """The variances that a leaderboard document has; where it has none, those of `otherwise`."""

    levels: Mapping[tuple[str, str], Part]
    """Entry and label of the condition -> variance."""
    pairs: Mapping[tuple[str, str, str], Part]
    """Two entries and label of the condition -> variance of their difference."""
    otherwise: ExampleVariances

    def level(self, entry: str, under: Under) -> Part:
        found = self.levels.get((entry, condition(under).label))
        return found or self.otherwise.level(entry, under)

    def matrix(self, entries: Sequence[str], under: Under) -> tuple[np.ndarray, np.ndarray]:
        variances, df = self.otherwise.matrix(entries, under)
        label = condition(under).label
        for i, one in enumerate(entries):
            for j, other in enumerate(entries):
                if (part := self.pairs.get((one, other, label))) is not None:
                    variances[i, j] = variances[j, i] = part.variance
                    df[i, j] = df[j, i] = part.df
        return variances, df
