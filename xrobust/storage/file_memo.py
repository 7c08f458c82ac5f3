"""What was found out about files, kept while they stay as they are: a file that nobody touched is not read again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.storage import cache
from xrobust.storage.hashing import canonical_json

SECTION = "unchanged"
"""Where it is kept, in the cache."""
YOUNG = 2.5
"""Seconds. Some file systems tell times in steps of two seconds: a file that was changed twice in one step looks as if
it had been changed once. What is found in a file as young as that is not kept (git's index has the same trouble, and
does the same)."""


def cached_by_files(what: Mapping[str, Any], files: Sequence[Path], find: Callable[[], Any]) -> Any:
    """The JSON value of `find()`, from an earlier call where `what` is equal and no file has changed since.

    Args:
        what: plain values, all that the outcome depends on besides the content of the files.
        files: what `find` reads. One that is not there counts as such.
        find: gives the value.

    A file has changed where its size, inode, time of change or time of modification is another, as `make` and git see
    it. What `find` raises is raised, and not kept.
    """
    paths = [str(file.absolute()) for file in files]
    key = hashlib.sha256(canonical_json({"what": dict(what), "files": paths}).encode()).hexdigest()
    now = time.time()
    before = [_state(file) for file in files]
    kept = cache.read_lines(SECTION, key)
    if kept is not None and kept[0]["files"] == before:
        return kept[0]["value"]
    value = find()
    newest = max((time for state in before if state for time in state[2:]), default=0)
    if newest < (now - YOUNG) * 1e9 and [_state(file) for file in files] == before:
        cache.write_lines(SECTION, key, iter([{"files": before, "value": value}]))
    return value


def _state(file: Path) -> list[int] | None:
    """Inode, size, and the times of change and of modification in nanoseconds; None where there is no such file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_ctime_ns, found.st_mtime_ns]
