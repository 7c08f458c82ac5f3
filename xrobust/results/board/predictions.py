"""Saved predictions of many runs, read in parallel: each score computed again, and the influence of each example."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xrobust.errors import UserError
from xrobust.metrics.calls import values_of
from xrobust.metrics.influence import influence
from xrobust.registry.plugins import Plugins
from xrobust.results.board.record import Test, test_of
from xrobust.results.examples import TOLERANCE, RunExamples, score_metric, shown_key
from xrobust.results.store import load_result

if TYPE_CHECKING:
    import numpy as np

AT_ONCE = 4
"""Runs that a process gets at a time."""


@dataclass(frozen=True)
class Checked:
    """The predictions of one run: their influences in the main metric, or the reason why they do not fit."""

    reason: str | None
    influences: dict[Test, np.ndarray]
    """float32 (examples,): float64 would double the memory of ten thousand runs, for digits that no variance needs."""
    ids: dict[Test, tuple[str, ...]]


@dataclass
class EntryInfluences:
    """Influences of the examples, summed over the runs of an entry."""

    count: int = 0
    sums: dict[Test, np.ndarray] = field(default_factory=dict)

    def add(self, run: Mapping[Test, np.ndarray]) -> None:
        """Adds those of one more run."""
        self.count += 1
        for test, values in run.items():
            self.sums[test] = self.sums[test] + values if test in self.sums else values.astype(float)

    def means(self) -> dict[Test, np.ndarray]:
        """Their means over the runs."""
        return {test: values / self.count for test, values in self.sums.items()}


def check_predictions(folder: Path, plugins: Sequence[Path] = ()) -> Checked:
    """Computes all scores of a run in its main metric, which a leaderboard is of, again from its saved predictions."""
    try:
        result = load_result(folder)
        run = RunExamples(folder, result, score_metric(result.main_metric, result.spec.train.task, Plugins(plugins)))
        return _checked(run)
    except UserError as error:
        return Checked(str(error), {}, {})


def _checked(run: RunExamples) -> Checked:
    by = run.scored_by
    influences, ids = {}, {}
    for key in run.scored_keys:
        examples, row = run.of(key), run.score(key)
        assert row is not None
        if row.clean_value is not None:
            clean = float(values_of(by.metric, run.clean_of(key).rows)[by.output])
            if abs(clean - row.clean_value) > TOLERANCE:
                raise UserError(
                    f"{shown_key(key)}: its predictions give {by.name} {100 * clean:.2f} on clean text where the "
                    f"document says {100 * row.clean_value:.2f}"
                )
        influences[test_of(row)] = influence(by.metric, examples.rows, by.output).astype("float32")
        ids[test_of(row)] = examples.ids
    return Checked(None, influences, ids)


def check_all(
    folders: Sequence[Path], plugins: Sequence[Path], progress: Callable[[int, int], None]
) -> Iterator[Checked]:
    """Checks the runs in these folders, in their order, on all cores."""
    if len(folders) < 2 * AT_ONCE or (workers := len(os.sched_getaffinity(0))) < 2:
        for done, folder in enumerate(folders):
            yield check_predictions(folder, plugins)
            progress(done + 1, len(folders))
        return
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(check_predictions, folders, [plugins] * len(folders), chunksize=AT_ONCE)
        for done, checked in enumerate(found):
            yield checked
            progress(done + 1, len(folders))
