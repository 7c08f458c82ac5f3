"""Leaderboards from leaderboards: several merged into one, and one computed again from the values that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from xrobust.metrics.inference import Part
from xrobust.results.board.assemble import assemble
from xrobust.results.board.document import Leaderboard
from xrobust.results.board.entries import records_of
from xrobust.results.board.record import RunRecord, condition
from xrobust.results.board.scores import EntryScores, entry_scores
from xrobust.results.board.variances import Bounds, Stored
from xrobust.results.comparing.document import Excluded


def merge_leaderboards(boards: Sequence[Leaderboard], budget: Literal["equal", "any"] | None = None) -> Leaderboard:
    """Merges leaderboards: entries of one id are united, and everything is ranked anew.

    The variances over test examples of two entries of one board stay those of that board; of entries from two boards
    they are bounded. Of a run that two boards have once is taken; with another sha256 it is left out.
    """
    groups: dict[str, dict[str, RunRecord]] = {}
    excluded = [item for board in boards for item in board.excluded]
    for board in boards:
        for entry in board.entries:
            for record in records_of(entry, board.min_examples):
                its = groups.setdefault(entry.id, {})
                other = its.setdefault(record.run_id, record)
                if other.sha256 != record.sha256:
                    reason = "two boards have this run with another sha256: the first board's is taken"
                    excluded.append(Excluded(path=f"run {record.run_id}", reason=reason))
    runs = {entry: sorted(its.values(), key=lambda run: (run.seed, run.run_id)) for entry, its in groups.items()}
    least = max(board.min_examples for board in boards)
    scores = {entry: entry_scores(its, least) for entry, its in runs.items()}
    stored = stored_variances(boards, runs, scores)
    weakest: Literal["documents", "predictions"] = (
        "predictions" if all(board.verified == "predictions" for board in boards) else "documents"
    )
    budgets = {board.budget for board in boards}
    budget = budget or ("equal" if "equal" in budgets else "any")
    return assemble(dict(sorted(runs.items())), scores, stored, "bound", weakest, budget, _unique(excluded), least)


def _unique(excluded: Sequence[Excluded]) -> list[Excluded]:
    return list({(item.path, item.reason): item for item in excluded}.values())


def stored_variances(
    boards: Sequence[Leaderboard], runs: Mapping[str, Sequence[RunRecord]], scores: Mapping[str, EntryScores]
) -> Stored:
    """The variances that documents have of entries whose runs are the same in the union, and of the same averages."""
    levels: dict[tuple[str, str], Part] = {}
    pairs: dict[tuple[str, str, str], Part] = {}
    for board in boards:
        whole = {entry.id for entry in board.entries if len(entry.runs) == len(runs[entry.id])}
        kept = {
            (entry.id, row.label): Part(row.examples_variance, row.examples_df)
            for entry in board.entries
            if entry.id in whole
            for row in entry.conditions
            if row.test_sets == _averaged(scores[entry.id], row.label)  # others were left out with another number
        }
        levels |= kept
        for test in (test for one in board.boards for test in one.tests or ()):
            if {(test.better, test.label), (test.worse, test.label)} <= kept.keys():
                pairs[test.better, test.worse, test.label] = Part(test.examples_variance, test.examples_df)
    return Stored(levels, pairs, Bounds(scores))


def _averaged(scores: EntryScores, label: str) -> int:
    """Number of test sets that are averaged over under a condition."""
    return next((len(its) for under, its in scores.columns.items() if condition(under).label == label), 0)


def recomputed(board: Leaderboard) -> Leaderboard:
    """The leaderboard computed again from the values by seed that it holds."""
    runs = {entry.id: records_of(entry, board.min_examples) for entry in board.entries}
    scores = {entry: entry_scores(its, board.min_examples) for entry, its in runs.items()}
    again = assemble(
        runs,
        scores,
        stored_variances([board], runs, scores),
        board.boards[0].examples_from if board.boards else "bound",
        board.verified,
        board.budget,
        board.excluded,
        board.min_examples,
    )
    again.xrobust = board.xrobust
    for mine, its in zip(again.entries, board.entries, strict=True):
        for row, other in zip(mine.conditions, its.conditions, strict=False):
            row.some_runs_only = other.some_runs_only
    return again


def disagreements(board: Leaderboard, again: Leaderboard, most: int = 10) -> list[str]:
    """Places at which two leaderboards differ, as `entries.3.conditions.0.rank: 1, not 2`; numbers to 1e-9."""
    found: list[str] = []
    _differences(board.model_dump(exclude={"sha256"}), again.model_dump(exclude={"sha256"}), "", found)
    return found if len(found) <= most else [*found[:most], f"and {len(found) - most} more"]


def _differences(one: Any, other: Any, where: str, found: list[str]) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            _differences(one.get(key), other.get(key), f"{where}.{key}" if where else key, found)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            _differences(a, b, f"{where}.{i}", found)
    elif isinstance(one, float) and isinstance(other, float):
        if not np.isclose(one, other, rtol=1e-9, atol=1e-9):
            found.append(f"{where}: the document says {one}, and computed again it is {other}")
    elif one != other:
        found.append(f"{where}: the document says {_short(one)}, and computed again it is {_short(other)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
