"""The leaderboard: built from the documents of many runs, built again to be verified, and loaded."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from xrobust.errors import UserError
from xrobust.results.board.assemble import assemble
from xrobust.results.board.document import BOARD_VERSION, ExamplesFrom, Leaderboard
from xrobust.results.board.documents import Documents, find_documents
from xrobust.results.board.merge import disagreements
from xrobust.results.board.predictions import EntryInfluences, check_all
from xrobust.results.board.record import RunRecord, Test
from xrobust.results.board.scores import entry_scores
from xrobust.results.board.variances import Bounds, ExampleVariances, Influences
from xrobust.results.comparing.document import Excluded
from xrobust.results.select import path_text
from xrobust.results.store import not_finite
from xrobust.storage.json_file import read_json

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many are, and of how many."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Switches garbage collection off: it would look at all of the many objects again and again, and free none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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


def build_leaderboard(
    runs: Iterable[str | Path],
    options: BoardOptions | None = None,
    progress: Progress = lambda what, done, total: None,
    only: Collection[str] | None = None,
) -> tuple[Leaderboard, list[Excluded]]:
    """Builds the leaderboard of the runs in folders (at any depth), documents, globs, filters and experiments.

    `only` are ids of runs, if not all that are found are to be taken. Returns the document, and those of its `excluded`
    that were named one by one. Raises UserError where an argument is wrong or nothing is left.
    """
    given = options or BoardOptions()
    documents = find_documents(
        list(map(path_text, runs)),
        given.where,
        sample=given.sample,
        progress=lambda done, total: progress("documents read", done, total),
    )
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
        raise UserError(f"no run is left for a leaderboard, left out: {len(documents.excluded)}{reasons}")
    least = max(run.min_examples for its in groups.values() for run in its)
    scores = {entry: entry_scores(its, least) for entry, its in groups.items()}
    variances: ExampleVariances = Bounds(scores)
    if given.verify == "predictions":
        variances = Influences(scores, {entry: its.means() for entry, its in influences.items()}, ids)
    source: ExamplesFrom = "predictions" if given.verify == "predictions" else "bound"
    board = assemble(groups, scores, variances, source, given.verify, given.budget, documents.excluded, least)
    return board, documents.named


def leaderboard(*runs: str | Path, **options: Any) -> Leaderboard:
    """Builds the leaderboard of runs: `leaderboard("runs", verify="documents")`. Options: see `BoardOptions`.

    Raises UserError where an argument is wrong or nothing is left.
    """
    return build_leaderboard(runs or ("runs",), BoardOptions(**options))[0]


def _groups(records: Mapping[str, tuple[Path, RunRecord]]) -> dict[str, list[RunRecord]]:
    """Entry id -> its runs, by seed."""
    groups: dict[str, list[RunRecord]] = {}
    for _, record in sorted(records.values(), key=lambda one: (one[1].seed, one[1].run_id)):
        groups.setdefault(record.group_id, []).append(record)
    return groups


def _verify(
    documents: Documents,
    groups: Mapping[str, Sequence[RunRecord]],
    given: BoardOptions,
    influences: dict[str, EntryInfluences],
    ids: dict[tuple[Test, str], Sequence[str]],
    progress: Progress,
) -> None:
    """Computes the scores of all runs again; leaves out those whose predictions do not give them."""
    runs = [run for group in groups.values() for run in group]
    files = [documents.records[run.run_id][0] for run in runs]
    checks = check_all(
        [file.parent for file in files], given.plugins, lambda done, total: progress("runs verified", done, total)
    )
    for run, file, checked in zip(runs, files, checks, strict=True):
        if checked.reason is not None:
            del documents.records[run.run_id]
            documents.leave_out(file, checked.reason)
            continue
        influences.setdefault(run.group_id, EntryInfluences()).add(checked.influences)
        rows = {one.test: one.rows for one in run.layout}
        for test, its in checked.ids.items():
            ids.setdefault((test, rows[test]), its)


def load_leaderboard(path: Path | str) -> Leaderboard:
    """Loads a leaderboard document and verifies its schema and sha256. Raises UserError."""
    try:
        raw = read_json(Path(path))
    except OSError as error:
        raise UserError(f"{path} is not a leaderboard: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path} is not a leaderboard: {error}") from error
    if not isinstance(raw, dict) or raw.get("kind") != "leaderboard":
        raise UserError(f"{path} is not a leaderboard: make one with xrobust leaderboard RUNS -o {path}")
    if raw.get("schema_version") != BOARD_VERSION:
        raise UserError(
            f"{path}: schema version {raw.get('schema_version')!r} where this xrobust reads {BOARD_VERSION}: build it "
            "again from its runs"
        )
    try:
        board = Leaderboard.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} does not fit the schema at {where}: {first['msg']}") from error
    if (problem := not_finite(raw)) is not None:  # which JSON has no numbers for: it would be written back as null
        raise UserError(f"{path}: {problem}: the document was changed")
    if (contradiction := board.contradiction()) is not None:
        raise UserError(f"{path} contradicts itself: {contradiction}")
    if board.sha256 not in (board.computed_sha256(), Leaderboard.stored_sha256(Path(path).read_text("utf-8"))):
        raise UserError(f"{path}: its sha256 does not fit its content: the document was changed")
    return board


def rebuilt(board: Leaderboard, runs: Path, plugins: Sequence[Path], progress: Progress) -> tuple[list[str], int]:
    """Builds a leaderboard again from its runs in a folder.

    Returns the places at which it differs, and the number of other runs of its entries that are in the folder: a board
    may have been made of chosen seeds. Raises UserError where none of its runs is there.
    """
    sample = any(one.sample for one in board.boards)
    options = BoardOptions(board.verified, board.budget, sample, plugins=tuple(plugins))
    wanted = {run.run_id for entry in board.entries for run in entry.runs}
    again, _ = build_leaderboard([runs], options, progress, only=wanted)
    there = {run.run_id for entry in again.entries for run in entry.runs}
    if missing := sorted(wanted - there):
        return [f"run {run} is not among the verified runs in {runs}" for run in missing], 0
    found = find_documents([str(runs)], None, sample=sample, progress=lambda done, total: None)
    entries = {entry.id for entry in board.entries}
    others = sum(record.group_id in entries and run not in wanted for run, (_, record) in found.records.items())
    again.xrobust, again.excluded = board.xrobust, board.excluded
    return disagreements(board, again), others
