"""Documents of a leaderboard: found, read one at a time, and those that are left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xrobust.results.board.index import read_documents
from xrobust.results.board.record import RunRecord
from xrobust.results.comparing.document import Excluded
from xrobust.results.host_free import host_free
from xrobust.results.select import FoundRun, Search, read, search


@dataclass
class Documents:
    """The documents that a board is made of, and those that are left out."""

    records: dict[str, tuple[Path, RunRecord]] = field(default_factory=dict)
    """Run id -> document and record."""
    excluded: list[Excluded] = field(default_factory=list)
    named: list[Excluded] = field(default_factory=list)
    """Those of `excluded` that the user named."""

    by_name: set[Path] = field(default_factory=set)
    """Documents that the user named one by one."""
    root: Path = Path()
    """Folder that paths in the board are relative to: no path of this machine goes into it."""

    def leave_out(self, file: Path, reason: str) -> None:
        """Adds a document to those that are left out."""
        item = Excluded(path=os.path.relpath(file.absolute(), self.root), reason=host_free(reason))
        self.excluded.append(item)
        if file in self.by_name:
            self.named.append(item)


def find_documents(
    arguments: Sequence[str], where: str | None, *, sample: bool, progress: Callable[[int, int], None]
) -> Documents:
    """Reads the documents that arguments stand for; only their records stay in memory.

    Of two documents of one run the newer one is taken. Raises UserError for an argument that is wrong.
    """
    reached: dict[Path, list[Search]] = {}
    searches = [search(argument, Path("runs"), where) for argument in arguments]
    for one in searches:
        for file in one.files:
            reached.setdefault(file, []).append(one)
    files = sorted(reached)
    by_name = {file for one in searches if one.by_name for file in one.files}
    counts: dict[Search, Counter[bool]] = {one: Counter() for one in searches}
    documents = Documents(root=_common_root(files), by_name=by_name)
    for found in read_documents(files, arguments, progress):
        asking = _asking(found.file, reached[found.file])
        if not asking:
            continue
        for one in asking:
            counts[one][found.record is not None] += 1
        if found.record is None:
            documents.leave_out(found.file, found.reason or "")
        else:
            _add(documents, found.file, found.record, sample=sample)
    for one in searches:
        one.require_fitting(bool(documents.records))
        lacking = one.not_complete(counts[one][True], counts[one][False])
        documents.excluded += [Excluded(path=item.path, reason=item.reason) for item in lacking]
    return documents


def _asking(file: Path, searches: Sequence[Search]) -> list[Search]:
    """The searches that take the document, or might: a filter and an id are looked up in the whole of it."""
    if all(one.filter is None and one.prefix is None for one in searches):
        return list(searches)
    found = read(file)
    return [one for one in searches if not isinstance(found, FoundRun) or one.takes(found)]


def _add(documents: Documents, file: Path, record: RunRecord, *, sample: bool) -> None:
    if record.sample and not sample:
        reason = "scored on the sample data that come with xrobust (--sample takes them)"
        documents.leave_out(file, reason)
        return
    other = documents.records.get(record.run_id)
    if other is None:
        documents.records[record.run_id] = (file, record)
        return
    older, newer = sorted([other, (file, record)], key=lambda one: one[1].updated)
    same = "another copy" if older[1].sha256 == newer[1].sha256 else "another, newer document"
    documents.records[record.run_id] = newer
    documents.leave_out(older[0], f"duplicate run id {record.run_id}: {same} is taken")


def _common_root(files: Sequence[Path]) -> Path:
    folders = [str(file.absolute().parents[1]) for file in files]  # so that each path names the folder of the run
    return Path(os.path.commonpath(folders)) if folders else Path.cwd()
