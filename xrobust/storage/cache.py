"""Cache on disk, shared by all runs: entries are keyed by a hash of their inputs, and can be made again."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import math
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from xrobust.errors import UserError, one_line
from xrobust.storage.atomic import follow_umask
from xrobust.storage.regular_file import open_regular

GIGABYTES = 20.0
"""Size limit of a section on the disk, in units of 10^9 bytes, unless XROBUST_CACHE_GB sets another."""
ABANDONED = 24 * 3600
"""Seconds after which a half-written entry counts as left behind by a killed process."""

logger = logging.getLogger("xrobust")

Value = TypeVar("Value")


class NotCached(Exception):
    """An entry cannot be written to the cache; the message says why, in a few words."""


@contextlib.contextmanager
def as_not_cached() -> Iterator[None]:
    """Turns the error of a failed write into NotCached."""
    try:
        yield
    except OSError as error:
        raise NotCached(error.strerror or str(error)) from error


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/xrobust`, by default `~/.cache/xrobust`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xrobust"


def read_lines(section: str, key: str, parse: Callable[[list[Any]], Value]) -> Value | None:
    """`parse` of the values that `write_lines` cached under `key`; None if there are none.

    Damage of any kind is logged, and the file removed, so that it is said once: content that is not as it was written
    (gzip's CRC), that of another entry, and values that `parse` raises ValueError, TypeError, LookupError or
    AttributeError for. What an older version of xrobust wrote under this key counts as none.
    """
    path = _lines_file(section, key)
    try:
        lines = _whole_lines(path)
        if lines[-1] == {"lines": len(lines) - 1}:  # as they were written before they named their entry
            return None
        if lines.pop() != _end(section, key, len(lines)):
            raise ValueError("it is another entry, or ends early")
        return parse(lines)
    except FileNotFoundError:
        return None
    except (PermissionError, NotADirectoryError) as error:
        logger.debug("%s cannot be read: %s", path, error)
        return None
    except (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        logger.warning("%s is damaged and is made anew (%s)", path, one_line(error))
    remove(path)
    return None


def _lines_file(section: str, key: str) -> Path:
    return cache_folder() / section / f"{key}.jsonl.gz"


def _whole_lines(path: Path) -> list[Any]:
    """The JSON values of a file, at least one. Raises ValueError, OSError and those of gzip."""
    with open_regular(path) as raw, gzip.open(raw, "rt", encoding="utf-8") as file:  # which checks its CRC
        lines = [json.loads(line) for line in file]
    if not lines:
        raise ValueError("it is empty")
    return lines


def _end(section: str, key: str, lines: int) -> dict[str, Any]:
    """The last line of a file: by it another entry and one that ends early are told."""
    return {"lines": lines, "of": f"{section}/{key}"}


def write_lines(section: str, key: str, lines: Iterator[Any]) -> None:
    """Caches JSON values under `key`, whole or not at all. A failed write is logged and otherwise ignored."""
    path = _lines_file(section, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as raw:
            try:
                with gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as file:
                    count = 0
                    for line in lines:
                        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                        count += 1
                    file.write(json.dumps(_end(section, key, count)).encode() + b"\n")
                follow_umask(Path(raw.name))
                Path(raw.name).replace(path)
            except BaseException:
                Path(raw.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        logger.debug("%s is not kept: %s", path, error)


def remove(path: Path) -> None:
    """Deletes a file or a folder, if that is possible."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def max_bytes() -> float:
    """Bytes that the folders of a section may take: XROBUST_CACHE_GB, in 10^9; 0 keeps none. Raises UserError."""
    given = os.environ.get("XROBUST_CACHE_GB") or str(GIGABYTES)
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = math.nan
    if not gigabytes >= 0:
        raise UserError(f"XROBUST_CACHE_GB is {given!r}: write how many gigabytes the cache may take, as in 20, or 0")
    return gigabytes * 1e9


def entry(section: str, key: str) -> Path:
    """Path of the folder that is cached under `key`, which may not exist."""
    return cache_folder() / section / key


def touch(folder: Path) -> None:
    """Marks an entry as used now: the least recently used one is the first to be removed."""
    with contextlib.suppress(OSError):  # the cache may be read-only
        os.utime(folder)


@contextlib.contextmanager
def new_entry(section: str, key: str) -> Iterator[Path]:
    """An empty folder to fill, which is removed unless `commit` puts it in its place. Raises NotCached."""
    parent = cache_folder() / section
    with as_not_cached():
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=f".{key[:16]}-", suffix=".tmp"))
        follow_umask(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(folder: Path, section: str, key: str) -> None:
    """Puts a filled folder in its place, whole; of two processes that made the same entry the first one's stays.

    Then the least recently used entries are removed, until the section is within `max_bytes`. One that a process has
    open stays readable to it. Raises NotCached.
    """
    final = entry(section, key)
    with as_not_cached():
        try:
            folder.rename(final)
        except OSError:
            if not final.exists():
                raise
        _trim(final.parent, final)


def _trim(section: Path, newest: Path) -> None:
    entries: list[tuple[float, int, Path]] = []
    for path in section.iterdir():
        with contextlib.suppress(OSError):  # another process removes it too
            last = path.stat().st_mtime
            if path.name.startswith("."):
                if time.time() - last > ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                entries.append((last, sum(file.stat().st_size for file in path.iterdir()), path))
    left = sum(size for _, size, _ in entries) - max_bytes()
    for _, size, path in sorted(entries):
        if left <= 0:
            break
        if path != newest:
            gone = path.with_name(f".{path.name}.tmp")  # at once: a process finds it whole or not at all
            with contextlib.suppress(OSError):
                path.rename(gone)
                left -= size
            shutil.rmtree(gone, ignore_errors=True)
