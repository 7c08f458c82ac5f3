"""The leaderboard: built from the documents of many runs, merged from several, verified, read and written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from xrobust.errors import UserError
from xrobust.metrics.inference import Part
from xrobust.results.board.borda import rank_over_tasks
from xrobust.results.board.document import BOARD_VERSION, Board, Entry, ExamplesFrom, Leaderboard
from xrobust.results.board.entries import make_entry, records_of
from xrobust.results.board.index import read_documents
from xrobust.results.board.predictions import EntryInfluences, check_all
from xrobust.results.board.ranks import make_boards
from xrobust.results.board.record import RunRecord, Test
from xrobust.results.board.scores import EntryScores, entry_scores
from xrobust.results.board.variances import Bounds, ExampleVariances, Influences, Stored
from xrobust.results.comparison import Excluded
from xrobust.results.host_free import host_free
from xrobust.results.run_filter import RunFilter
from xrobust.results.select import read, search

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many are, and of how many."""


@dataclass(frozen=True)
class BoardOptions:
    """Options of a leaderboard."""

    verify: Literal["predictions", "documents"] = "predictions"
    """`predictions` computes each score again; `documents` believes those in the documents, and bounds the variance
    over test examples by their intervals."""
    budget: Literal["equal", "any"] = "equal"
    """`any` ranks entries that were not trained equally long among one another, and marks it."""
    sample: bool = False
    """True takes runs on sample data too."""
    where: str | None = None
    """Filter of runs, such as `task=wikiann`."""
    plugins: tuple[Path, ...] = ()


@dataclass
class _Documents:
    """The documents that a board is made of, and those that are left out."""

    records: dict[str, tuple[Path, RunRecord]] = field(default_factory=dict)
    """Run id -> document and record."""
    excluded: list[Excluded] = field(default_factory=list)
    named: list[Excluded] = field(default_factory=list)
    """Those of `excluded` that the user named."""

    def leave_out(self, path: str, reason: str, *, by_name: bool = False) -> None:
        """Adds a document to those that are left out."""
        item = Excluded(path=path, reason=host_free(reason))
        self.excluded.append(item)
        if by_name:
            self.named.append(item)


def build_leaderboard(
    runs: Iterable[str | Path],
    options: BoardOptions | None = None,
    progress: Progress = lambda what, done, total: None,
    only: Collection[str] | None = None,
) -> tuple[Leaderboard, list[Excluded]]:
    """Builds the leaderboard of the runs in folders (at any depth), documents or globs.

    `only` are ids of runs, if not all that are found are to be taken. Returns the document, and those of its `excluded`
    that were named one by one. Raises UserError where an argument is wrong or nothing is left.
    """
    given = options or BoardOptions()
    documents = _read(list(map(str, runs)), given, progress)
    if only is not None:
        documents.records = {run: one for run, one in documents.records.items() if run in only}
    groups = _groups(documents.records)
    ids: dict[tuple[Test, str], Sequence[str]] = {}
    influences: dict[str, EntryInfluences] = {}
    if given.verify == "predictions":
        _verify(documents, groups, given, influences, ids, progress)
        groups = _groups(documents.records)
    if not groups:
        reasons = (
            f", such as {documents.excluded[0].path}: {documents.excluded[0].reason}" if documents.excluded else ""
        )
        raise UserError(f"no run is left for a leaderboard: {len(documents.excluded)} were left out{reasons}")
    scores = {entry: entry_scores(its) for entry, its in groups.items()}
    variances: ExampleVariances = Bounds(scores)
    if given.verify == "predictions":
        variances = Influences(scores, {entry: its.means() for entry, its in influences.items()}, ids)
    source: ExamplesFrom = "predictions" if given.verify == "predictions" else "bound"
    board = _assemble(groups, scores, variances, source, given.verify, given.budget, documents.excluded)
    return board, documents.named


def leaderboard(*runs: str | Path, **options: Any) -> Leaderboard:
    """Builds the leaderboard of runs: `leaderboard("runs", verify="documents")`. Options: see `BoardOptions`.

    Raises UserError where an argument is wrong or nothing is left.
    """
    return build_leaderboard(runs or ("runs",), BoardOptions(**options))[0]


def _read(arguments: Sequence[str], given: BoardOptions, progress: Progress) -> _Documents:
    """Reads the documents one at a time; only their records stay in memory."""
    documents = _Documents()
    searches = [search(argument, Path("runs"), given.where) for argument in arguments]
    by_name = {file for one in searches if one.by_name for file in one.files}
    files = sorted({file for one in searches for file in one.files})
    filters = [RunFilter(given.where)] if given.where else []
    filters += [one.filter for one in searches if one.filter is not None and not given.where]
    root = _common_root(files)
    for found in read_documents(files, arguments, lambda done, total: progress("documents read", done, total)):
        path = os.path.relpath(found.file.absolute(), root)
        named = found.file in by_name
        if found.record is None:
            documents.leave_out(path, found.reason or "", by_name=named)
            continue
        if filters and not _fits(found.file, filters):
            continue
        record = found.record
        if record.sample and not given.sample:
            documents.leave_out(
                path, "scored on the sample data that come with xrobust (--sample takes them)", by_name=named
            )
            continue
        other = documents.records.get(record.run_id)
        if other is None:
            documents.records[record.run_id] = (found.file, record)
            continue
        older, newer = sorted([other, (found.file, record)], key=lambda one: one[1].updated)
        same = "another copy" if older[1].sha256 == newer[1].sha256 else "another, newer document"
        documents.records[record.run_id] = newer
        documents.leave_out(
            os.path.relpath(older[0].absolute(), root),
            f"duplicate run id {record.run_id}: {same} is taken",
            by_name=named,
        )
    return documents


def _fits(file: Path, filters: Sequence[RunFilter]) -> bool:
    found = read(file)
    return any(one.fits(found.result) for one in filters if hasattr(found, "result"))


def _common_root(files: Sequence[Path]) -> Path:
    """The folder that paths in the document are relative to: no path of this machine goes into it."""
    folders = [str(file.absolute().parent) for file in files]
    return Path(os.path.commonpath(folders)) if folders else Path.cwd()


def _groups(records: Mapping[str, tuple[Path, RunRecord]]) -> dict[str, list[RunRecord]]:
    """Entry id -> its runs, by seed."""
    groups: dict[str, list[RunRecord]] = {}
    for _, record in sorted(records.values(), key=lambda one: (one[1].seed, one[1].run_id)):
        groups.setdefault(record.group_id, []).append(record)
    return groups


def _verify(
    documents: _Documents,
    groups: Mapping[str, Sequence[RunRecord]],
    given: BoardOptions,
    influences: dict[str, EntryInfluences],
    ids: dict[tuple[Test, str], Sequence[str]],
    progress: Progress,
) -> None:
    """Computes the scores of all runs again; leaves out those whose predictions do not give them."""
    runs = [run for group in groups.values() for run in group]
    files = [documents.records[run.run_id][0] for run in runs]
    root = _common_root(files)
    checks = check_all(
        [file.parent for file in files], given.plugins, lambda done, total: progress("runs verified", done, total)
    )
    for run, file, checked in zip(runs, files, checks, strict=True):
        if checked.reason is not None:
            del documents.records[run.run_id]
            documents.leave_out(os.path.relpath(file.absolute(), root), checked.reason)
            continue
        influences.setdefault(run.group_id, EntryInfluences()).add(checked.influences)
        rows = {one.test: one.rows for one in run.layout}
        for test, its in checked.ids.items():
            ids.setdefault((test, rows[test]), its)


def _assemble(
    groups: Mapping[str, Sequence[RunRecord]],
    scores: Mapping[str, EntryScores],
    variances: ExampleVariances,
    examples_from: ExamplesFrom,
    verified: Literal["documents", "predictions"],
    budget: Literal["equal", "any"],
    excluded: Sequence[Excluded],
) -> Leaderboard:
    entries = [make_entry(entry, runs, scores[entry], variances) for entry, runs in groups.items()]
    entries.sort(key=lambda entry: (entry.task, entry.source, entry.model, entry.name, entry.id))
    boards = make_boards(entries, groups, scores, variances, budget=budget, examples_from=examples_from)
    board = Leaderboard(
        xrobust=_version(),
        verified=verified,
        budget=budget,
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


def load_leaderboard(path: Path | str) -> Leaderboard:
    """Loads a leaderboard document and verifies its schema and sha256. Raises UserError."""
    try:
        raw = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a leaderboard: {error}") from error
    if not isinstance(raw, dict) or raw.get("kind") != "leaderboard":
        raise UserError(f"{path} is not a leaderboard: make one with xrobust leaderboard RUNS -o {path}")
    if raw.get("schema_version") != BOARD_VERSION:
        raise UserError(
            f"{path}: schema version {raw.get('schema_version')!r} where this xrobust reads {BOARD_VERSION}"
        )
    try:
        board = Leaderboard.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} does not fit the schema at {where}: {first['msg']}") from error
    if board.sha256 != board.computed_sha256():
        raise UserError(f"{path}: its sha256 does not fit its content: the document was changed")
    return board


def merge_leaderboards(boards: Sequence[Leaderboard], budget: Literal["equal", "any"] | None = None) -> Leaderboard:
    """Merges leaderboards: entries of one id are united, and everything is ranked anew.

    The variances over test examples of two entries of one board stay those of that board; of entries from two boards
    they are bounded. Of a run that two boards have once is taken; with another sha256 it is left out.
    """
    groups: dict[str, dict[str, RunRecord]] = {}
    excluded = [item for board in boards for item in board.excluded]
    for board in boards:
        for entry in board.entries:
            for record in records_of(entry):
                its = groups.setdefault(entry.id, {})
                other = its.setdefault(record.run_id, record)
                if other.sha256 != record.sha256:
                    reason = "two boards have this run with another sha256: the first board's is taken"
                    excluded.append(Excluded(path=f"run {record.run_id}", reason=reason))
    runs = {entry: sorted(its.values(), key=lambda run: (run.seed, run.run_id)) for entry, its in groups.items()}
    scores = {entry: entry_scores(its) for entry, its in runs.items()}
    stored = _stored(boards, runs, scores)
    weakest: Literal["documents", "predictions"] = (
        "predictions" if all(board.verified == "predictions" for board in boards) else "documents"
    )
    budgets = {board.budget for board in boards}
    budget = budget or ("equal" if "equal" in budgets else "any")
    return _assemble(dict(sorted(runs.items())), scores, stored, "bound", weakest, budget, _unique(excluded))


def _unique(excluded: Sequence[Excluded]) -> list[Excluded]:
    return list({(item.path, item.reason): item for item in excluded}.values())


def _stored(
    boards: Sequence[Leaderboard], runs: Mapping[str, Sequence[RunRecord]], scores: Mapping[str, EntryScores]
) -> Stored:
    """The variances that documents have of entries whose runs are the same in the union."""
    levels: dict[tuple[str, str], Part] = {}
    pairs: dict[tuple[str, str, str], Part] = {}
    for board in boards:
        whole = {entry.id for entry in board.entries if len(entry.runs) == len(runs[entry.id])}
        for entry in board.entries:
            if entry.id in whole:
                for row in entry.conditions:
                    levels[entry.id, row.label] = Part(row.examples_variance, row.examples_df)
        for test in (test for one in board.boards for test in one.tests or ()):
            if {test.better, test.worse} <= whole:
                pairs[test.better, test.worse, test.label] = Part(test.examples_variance, test.examples_df)
    return Stored(levels, pairs, Bounds(scores))


def recomputed(board: Leaderboard) -> Leaderboard:
    """The leaderboard computed again from the values by seed that it holds."""
    runs = {entry.id: records_of(entry) for entry in board.entries}
    scores = {entry: entry_scores(its) for entry, its in runs.items()}
    again = _assemble(
        runs,
        scores,
        _stored([board], runs, scores),
        board.boards[0].examples_from if board.boards else "bound",
        board.verified,
        board.budget,
        board.excluded,
    )
    again.xrobust = board.xrobust
    for mine, its in zip(again.entries, board.entries, strict=True):
        for row, other in zip(mine.conditions, its.conditions, strict=False):
            row.some_runs_only = other.some_runs_only
    return again


def rebuilt(board: Leaderboard, runs: Path, plugins: Sequence[Path], progress: Progress) -> list[str]:
    """Places at which a leaderboard differs from that of its own runs, built again from their folder.

    Other runs in the folder are of no account. Raises UserError where none of them is there.
    """
    options = BoardOptions(
        board.verified, board.budget, any(one.sample for one in board.boards), plugins=tuple(plugins)
    )
    wanted = {run.run_id for entry in board.entries for run in entry.runs}
    again, _ = build_leaderboard([runs], options, progress, only=wanted)
    there = {run.run_id for entry in again.entries for run in entry.runs}
    if missing := sorted(wanted - there):
        return [f"run {run} is not among the verified runs in {runs}" for run in missing]
    again.xrobust, again.excluded = board.xrobust, board.excluded
    return disagreements(board, again)


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


__all__ = ["Board", "BoardOptions", "Entry", "Leaderboard", "build_leaderboard", "leaderboard", "load_leaderboard"]
