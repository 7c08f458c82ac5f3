"""Ranking over tasks: Borda counts, with intervals from the uncertainty of the means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xrobust.results.board.document import Board, Entry, Overall, OverallBoard
from xrobust.storage.hashing import canonical_json

DRAWS = 1000
SEED = 0
Contestant = tuple[str, str]
"""Model and method."""


def rank_over_tasks(boards: Sequence[Board], entries: Sequence[Entry]) -> list[OverallBoard]:
    """Borda counts over the tasks of one kind of supervision, of what is ranked on all of them.

    Of each task the board with the most ranked entries is taken. No mean of scores or of z values over tasks: points of
    two metrics are not one unit (Colombo et al., NeurIPS 2022, argue for ranks).
    """
    by_id = {entry.id: entry for entry in entries}
    groups: dict[tuple[str, bool], dict[str, Board]] = {}
    for board in boards:
        of_task = groups.setdefault((canonical_json(board.supervision), board.sample), {})
        other = of_task.get(board.task)
        if other is None or _ranked_count(board, by_id) > _ranked_count(other, by_id):
            of_task[board.task] = board
    found = [_overall(list(of_task.values()), by_id) for _, of_task in sorted(groups.items())]
    return [one for one in found if one is not None]


def _ranked_count(board: Board, by_id: dict[str, Entry]) -> int:
    return sum(_is_ranked(by_id[entry]) for entry in board.entries)


def _is_ranked(entry: Entry) -> bool:
    clean = entry.under()
    return clean is not None and clean.rank is not None


def _overall(boards: Sequence[Board], by_id: dict[str, Entry]) -> OverallBoard | None:
    tables = [_contestants([by_id[i] for i in board.entries if _is_ranked(by_id[i])]) for board in boards]
    everywhere = sorted(set.intersection(*(set(table) for table in tables)))
    if len(boards) < 2 or len(everywhere) < 2:
        return None
    rng = np.random.default_rng(SEED)
    counts = np.zeros(len(everywhere))  # of draws, argsort of argsort counts those below: there are no ties
    drawn = np.zeros((DRAWS, len(everywhere)))
    for table in tables:
        rows = [table[contestant].under() for contestant in everywhere]
        means = np.array([row.mean for row in rows if row is not None])
        errors = np.array(
            [np.sqrt((row.sd or 0) ** 2 / len(row.values) + row.examples_variance) for row in rows if row is not None]
        )
        counts += _beaten(means[None, :])[0]
        drawn += np.argsort(np.argsort(rng.normal(means, errors, size=(DRAWS, len(means))), axis=1), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    overall = [
        Overall(
            model=contestant[0],
            name=contestant[1],
            supervision=boards[0].supervision,
            entries={board.task: table[contestant].id for board, table in zip(boards, tables, strict=True)},
            borda=float(counts[i]),
            ci_low=float(low[i]),
            ci_high=float(high[i]),
        )
        for i, contestant in enumerate(everywhere)
    ]
    first = boards[0]
    return OverallBoard(
        zero_shot=first.zero_shot,
        supervision=first.supervision,
        sample=first.sample,
        boards=[board.id for board in boards],
        entries=sorted(overall, key=lambda one: (-one.borda, one.model, one.name)),
    )


def _contestants(entries: Sequence[Entry]) -> dict[Contestant, Entry]:
    """The entries by model and method; those that this does not tell apart, by their full names."""
    names = [(entry.model, "+".join(part["name"] for part in entry.method)) for entry in entries]
    return {
        name if names.count(name) == 1 else (entry.model, entry.name): entry
        for name, entry in zip(names, entries, strict=True)
    }


def _beaten(values: np.ndarray) -> np.ndarray:
    """Number of others below each: (draws, n) to (draws, n); equals count half."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=1)) - 1
