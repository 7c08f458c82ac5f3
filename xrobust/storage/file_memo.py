"""Cache of values computed from files, valid while size, inode and times are unchanged."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.storage import cache
from xrobust.storage.hashing import canonical_json

SECTION = "unchanged"
"""Section of the cache that holds values computed from files."""
FORM = 2
"""Number of the form of an entry: caches outlast the version of xrobust that wrote them."""
YOUNG = 2.5
"""Seconds; values of files changed more recently than that are not cached. Some file systems tell times in steps of two
seconds, where a second change in one step does not show (git's index has the same problem and solution)."""


def _as_it_is(value: Any) -> Any:
    return value


def cached_by_files(
    what: Mapping[str, Any],
    files: Sequence[Path],
    find: Callable[[], Any],
    parse: Callable[[Any], Any] = _as_it_is,
) -> Any:
    """`parse` of the JSON value of `find()`, from the cache if `what` is equal and no file has changed since.

    Args:
        what: plain values, all that the outcome depends on besides the content of the files.
        files: those that `find` reads; a missing one counts as such.
        find: computes the value.
        parse: makes the result of the value; a cached value is damaged where it raises ValueError, TypeError,
            LookupError or AttributeError.

    A file has changed where its size, inode, time of change or time of modification is another, as `make` and git see
    it. Errors of `find` are raised, and not cached.
    """
    before = [file_state(file) for file in files]
    paths = [str(file.absolute()) for file in files]

    def found() -> tuple[Any, Sequence[Path]]:
        value = find()
        return value, files if [file_state(file) for file in files] == before else ()

    return cached_with_files({"what": dict(what), "files": paths}, found, parse)


def cached_with_files(
    what: Mapping[str, Any],
    find: Callable[[], tuple[Any, Sequence[Path]]],
    parse: Callable[[Any], Any] = _as_it_is,
) -> Any:
    """`cached_by_files` for a function that returns a value and the files that it read, which it has to find first.

    A folder stands for the names in it. Nothing is cached where no file is named.
    """
    key = hashlib.sha256(canonical_json({"form": FORM, "what": dict(what)}).encode()).hexdigest()

    def unchanged(lines: list[Any]) -> tuple[Any] | None:
        """The result of the cached value; None where a file has changed since."""
        (entry,) = lines
        same = [file_state(Path(path)) == state for path, state in entry["files"]]
        return (parse(entry["value"]),) if all(same) else None

    if (kept := cache.read_lines(SECTION, key, unchanged)) is not None:
        return kept[0]
    now = time.time()
    value, files = find()
    states = [(str(file.absolute()), file_state(file)) for file in files]
    newest = max((time for _, state in states if state for time in state[2:]), default=0)
    if states and newest < (now - YOUNG) * 1e9:
        cache.write_lines(SECTION, key, iter([{"files": states, "value": value}]))
    return parse(value)


def file_state(file: Path) -> list[int] | None:
    """Inode, size, and the times of change and of modification in nanoseconds; None where there is no such file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_ctime_ns, stat.st_mtime_ns]
