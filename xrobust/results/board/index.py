"""Index of the records of documents, by content: what did not change since is not read again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.results.board.record import Layout, RunRecord, layout_as_json, layout_of, record_of
from xrobust.results.select import LeftOut, read, unfit
from xrobust.storage import cache
from xrobust.storage.code_hash import code_hash
from xrobust.storage.file_memo import YOUNG, file_state
from xrobust.storage.hashing import canonical_json, file_sha256

SECTION = "leaderboard"
"""Section of the cache."""


@dataclass(frozen=True)
class Read:
    """A document that was read: its record, or the reason that there is none."""

    file: Path
    record: RunRecord | None
    reason: str | None


def read_documents(
    files: Sequence[Path], roots: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Read]:
    """Reads documents one at a time, those that are in the index from there.

    `roots` are the places that the files were found in: the index is one file for these places and this code. An entry
    counts where size, inode and times of the document are as they were, else where its sha256 is; a file that was
    written in the last seconds is read in any case.
    """
    places = [str(file.absolute()) for file in files]
    what = {"roots": [str(Path(root).absolute()) for root in roots], "code": code_hash(read_documents)}
    key = hashlib.sha256(canonical_json(what).encode()).hexdigest()
    layouts, known = cache.read_lines(SECTION, key, _known) or ([], [])
    numbers = {layout: i for i, layout in enumerate(layouts)}
    by_number = list(numbers)
    by_place = {line["file"]: line for line in known}
    by_content = {line["sha256"]: line for line in known}
    lines: list[dict[str, Any]] = []
    changed = len(known) != len(files)
    now = time.time()
    for done, (file, place) in enumerate(zip(files, places, strict=True)):
        state = file_state(file)
        line = by_place.get(place)
        if line is None or state is None or line["state"] != state:
            changed = True
            content = _sha256(file)
            like = by_content.get(content) if content else None
            line = {
                "file": place,
                "state": state,
                "sha256": content,
                **(_outcome(file, numbers) if like is None else _kept(like)),
            }
        lines.append(line)
        by_number += list(numbers)[len(by_number) :]
        record = None if line["record"] is None else RunRecord.of_json(line["record"], by_number[line["layout"]])
        yield Read(file, record, line["reason"])
        progress(done + 1, len(files))
    if changed:
        old = [line for line in lines if line["state"] and max(line["state"][2:]) < (now - YOUNG) * 1e9]
        cache.write_lines(SECTION, key, iter([[layout_as_json(layout) for layout in numbers], *old]))


def _known(lines: list[Any]) -> tuple[list[Layout], list[dict[str, Any]]]:
    """The layouts and the documents of an index. Raises ValueError and others for anything else."""
    layouts = [layout_of(rows) for rows in lines[0]]
    columns, fields = {"file", "state", "sha256", "record", "layout", "reason"}, RunRecord.__dataclass_fields__.keys()
    for line in lines[1:]:
        record = line["record"]
        if line.keys() != columns or (record is not None and record.keys() | {"layout"} != fields):
            raise ValueError("a document's line has other columns")
        if record is not None and line["layout"] not in range(len(layouts)):
            raise ValueError("a document's line names a layout that is not there")
    return layouts, lines[1:]


def _kept(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("record", "layout", "reason")}


def _sha256(file: Path) -> str | None:
    try:
        return file_sha256(file)
    except OSError:
        return None


def _outcome(file: Path, layouts: dict[Layout, int]) -> dict[str, Any]:
    """The record of a document in plain values with the number of its layout, or the reason that there is none."""
    found = read(file)
    if isinstance(found, LeftOut):
        return {"record": None, "layout": None, "reason": found.reason}
    reason = unfit(found.result)
    try:
        record = record_of(found.result) if reason is None else None
    except UserError as error:
        record, reason = None, str(error)
    if record is None:
        return {"record": None, "layout": None, "reason": reason}
    return {"record": record.as_json(), "layout": layouts.setdefault(record.layout, len(layouts)), "reason": None}
