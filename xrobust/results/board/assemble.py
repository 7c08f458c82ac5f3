"""Puts a leaderboard together from the records of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from xrobust.results.board.borda import rank_over_tasks
from xrobust.results.board.document import ExamplesFrom, Leaderboard
from xrobust.results.board.entries import make_entry
from xrobust.results.board.ranks import make_boards
from xrobust.results.board.record import RunRecord
from xrobust.results.board.scores import EntryScores
from xrobust.results.board.variances import ExampleVariances
from xrobust.results.comparing.document import Excluded


def assemble(
    groups: Mapping[str, Sequence[RunRecord]],
    scores: Mapping[str, EntryScores],
    variances: ExampleVariances,
    examples_from: ExamplesFrom,
    verified: Literal["documents", "predictions"],
    budget: Literal["equal", "any"],
    excluded: Sequence[Excluded],
    least: int,
) -> Leaderboard:
    """Makes the document of records: entries, boards with ranks, and the ranking over tasks.

    `least` is the number of changed examples from which `scores` average over a test set.
    """
    entries = [make_entry(entry, runs, scores[entry], variances) for entry, runs in groups.items()]
    entries.sort(key=lambda entry: (entry.task, entry.source, entry.model, entry.name, entry.id))
    boards = make_boards(entries, groups, scores, variances, budget=budget, examples_from=examples_from)
    board = Leaderboard(
        xrobust=_version(),
        verified=verified,
        budget=budget,
        min_examples=least,
        documents=sum(map(len, groups.values())),
        boards=boards,
        entries=entries,
        overall=rank_over_tasks(boards, entries),
        excluded=sorted(excluded, key=lambda item: (item.path, item.reason)),
    )
    return board


def _version() -> str:
    try:
        return version("xrobust")
    except PackageNotFoundError:
        return "0"
