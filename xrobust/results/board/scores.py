"""Scores of the runs of an entry as arrays: those test sets that all of its runs have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from xrobust.results.board.record import Layout, RunRecord, TestSet, Under
from xrobust.results.small_samples import is_small


@dataclass(frozen=True)
class EntryScores:
    """Scores of an entry, a row for each run and a column for each test set."""

    tests: Layout
    values: np.ndarray
    """float64 (runs, test sets)."""
    clean: np.ndarray
    """The same examples on clean text; NaN on clean text."""
    errors: np.ndarray
    """Standard errors that come from the choice of test examples."""
    only_some: tuple[tuple[Under, str], ...]
    """Conditions and names of test sets that only some of the runs have, or on other rows."""
    least: int
    """Fewest changed examples of a test set that is averaged over."""

    @cached_property
    def columns(self) -> dict[Under, list[int]]:
        """For each condition that has some, the columns of its test sets that are averaged over."""
        return columns(self.tests, self.least)

    def covered(self, under: Under) -> Layout:
        """The test sets under a condition that are averaged over."""
        return tuple(self.tests[i] for i in self.columns[under])

    @property
    def too_few(self) -> dict[Under, list[str]]:
        """For each condition the test sets that are not averaged over, if there are any."""
        found: dict[Under, list[str]] = {}
        for one in self.tests:
            if is_small(one.test.condition, one.n, self.least):
                found.setdefault(one.test.under, []).append(one.test.name)
        return found


@cache
def columns(tests: Layout, least: int) -> dict[Under, list[int]]:
    """For each condition the places of its test sets that are averaged over."""
    found: dict[Under, list[int]] = {}
    for i, one in enumerate(tests):
        if not is_small(one.test.condition, one.n, least):
            found.setdefault(one.test.under, []).append(i)
    return found


def entry_scores(runs: Sequence[RunRecord], least: int) -> EntryScores:
    """The scores of some runs on the test sets that all of them have, on the same rows.

    `least` is the number of changed examples from which a test set is averaged over.
    """
    first = runs[0].layout
    if all(run.layout is first for run in runs):
        tests, arrays = first, [run.values for run in runs]
        only_some: set[tuple[Under, str]] = set()
    else:
        everywhere = set.intersection(*(set(run.layout) for run in runs))
        tests = tuple(one for one in first if one in everywhere)
        arrays = [run.values[:, [run.layout.index(one) for one in tests]] for run in runs]
        only_some = {_named(one) for run in runs for one in run.layout} - {_named(one) for one in tests}
    stacked = np.stack(arrays)
    return EntryScores(tests, stacked[:, 0], stacked[:, 1], stacked[:, 2], tuple(sorted(only_some, key=str)), least)


def _named(one: TestSet) -> tuple[Under, str]:
    return one.test.under, one.test.name
