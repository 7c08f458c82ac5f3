"""The part of a variance that comes from test examples: for the mean of an entry, and for the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xrobust.metrics.inference import Part, cluster_sums
from xrobust.results.board.record import RunRecord, Test
from xrobust.results.comparison import Condition

ENOUGH = 1e6
"""Degrees of freedom of a variance that is taken as known."""


class ExampleVariances(Protocol):
    """Variances over test examples of the mean of some test sets."""

    def level(self, entry: str, tests: Sequence[Test]) -> Part:
        """Of one entry's mean."""

    def matrix(self, entries: Sequence[str], tests: Sequence[Test]) -> tuple[np.ndarray, np.ndarray]:
        """Of differences between all pairs: variances and degrees of freedom, (entries, entries) each."""


class Bounds:
    """Upper bounds from the intervals in the documents: nothing is known of how errors go together.

    The standard error of a mean is at most the mean of the standard errors (all languages hang together); that of a
    difference is taken as that of two separate test sets, as if two entries never erred on the same examples.
    """

    def __init__(self, runs: Mapping[str, Sequence[RunRecord]]) -> None:
        self._runs = runs

    def level(self, entry: str, tests: Sequence[Test]) -> Part:
        runs = self._runs[entry]
        errors = [np.mean([run.scores[test].examples_se for run in runs]) for test in tests]
        return Part(float(np.mean(errors)) ** 2, ENOUGH)

    def matrix(self, entries: Sequence[str], tests: Sequence[Test]) -> tuple[np.ndarray, np.ndarray]:
        levels = np.array([self.level(entry, tests).variance for entry in entries])
        return levels[:, None] + levels[None, :], np.full((len(entries), len(entries)), ENOUGH)


class Influences:
    """Variances from saved predictions, exactly as `xrobust compare` has them."""

    def __init__(
        self,
        means: Mapping[str, Mapping[Test, np.ndarray]],
        ids: Mapping[tuple[Test, str], Sequence[str]],
        runs: Mapping[str, Sequence[RunRecord]],
    ) -> None:
        """
        Args:
            means: entry -> test set -> influence of each example, averaged over its runs, (examples,).
            ids: test set and its rows -> ids of the examples, in order.
            runs: entry -> its runs.
        """
        self._means, self._ids, self._runs = means, ids, runs

    def level(self, entry: str, tests: Sequence[Test]) -> Part:
        sums = self._sums([entry], tests)
        return Part(float(_covariance(sums)[0, 0]), max(sums.shape[1] - 1, 1))

    def matrix(self, entries: Sequence[str], tests: Sequence[Test]) -> tuple[np.ndarray, np.ndarray]:
        sums = self._sums(entries, tests)
        covariance = _covariance(sums)
        own = np.diag(covariance)
        variances = np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0)
        return variances, np.full(variances.shape, max(sums.shape[1] - 1, 1))

    def _sums(self, entries: Sequence[str], tests: Sequence[Test]) -> np.ndarray:
        """Influence of each id on the mean over test sets: (entries, ids)."""
        number: dict[str, int] = {}
        first = self._runs[entries[0]][0]
        clusters = [
            np.array([number.setdefault(i, len(number)) for i in self._ids[test, first.scores[test].rows]])
            for test in tests
        ]
        return np.stack([cluster_sums([self._means[entry][test] for test in tests], clusters) for entry in entries])


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

    def level(self, entry: str, tests: Sequence[Test]) -> Part:
        found = self.levels.get((entry, label_of(tests)))
        return found or self.otherwise.level(entry, tests)

    def matrix(self, entries: Sequence[str], tests: Sequence[Test]) -> tuple[np.ndarray, np.ndarray]:
        variances, df = self.otherwise.matrix(entries, tests)
        label = label_of(tests)
        for i, one in enumerate(entries):
            for j, other in enumerate(entries):
                if (part := self.pairs.get((one, other, label))) is not None:
                    variances[i, j] = variances[j, i] = part.variance
                    df[i, j] = df[j, i] = part.df
        return variances, df


def label_of(tests: Sequence[Test]) -> str:
    """Label of the condition of some test sets."""
    name, perturbation, attack, pairs = tests[0].under
    return Condition(condition=name, perturbation=perturbation, attack=attack, pairs=pairs).label  # type: ignore[arg-type]
