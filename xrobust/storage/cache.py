"""Files that are kept between runs, named by what they were made from: deleting them costs time and nothing else."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xrobust.errors import UserError

GIGABYTES = 20.0
"""What the entries of a section may take on the disk, unless XROBUST_CACHE_GB says otherwise."""
ABANDONED = 24 * 3600
"""Seconds after which a half-written entry is taken for one whose process was killed."""

logger = logging.getLogger("xrobust")


class NotCached(Exception):
    """The disk does not take it: why, in a few words."""


@contextlib.contextmanager
def as_not_cached() -> Iterator[None]:
    """Turns what the system says of a failed write into NotKept."""
    try:
        yield
    except OSError as error:
        raise NotCached(error.strerror or str(error)) from error


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/xrobust`, by default `~/.cache/xrobust`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xrobust"


def read_lines(section: str, key: str) -> list[Any] | None:
    """What `write_lines` kept under `key`, or None where there is nothing, or nothing that can be read."""
    path = cache_folder() / section / f"{key}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:  # which checks its CRC
            lines = [json.loads(line) for line in file]
        if lines and lines[-1] == {"lines": len(lines) - 1}:
            return lines[:-1]
    except FileNotFoundError:
        return None
    except (PermissionError, NotADirectoryError) as error:
        logger.debug("%s cannot be read: %s", path, error)
        return None
    except (OSError, EOFError, ValueError) as error:
        logger.warning("%s is damaged and is made anew (%s)", path, " ".join(str(error).split()))
        return None
    logger.warning("%s is damaged and is made anew (it ends early)", path)
    return None


def write_lines(section: str, key: str, lines: Iterator[Any]) -> None:
    """Keeps JSON values under `key`, whole or not at all. A disk that does not take them is no failure."""
    path = cache_folder() / section / f"{key}.jsonl.gz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as raw:
            try:
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3, mtime=0) as file:
                    count = 0
                    for line in lines:
                        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                        count += 1
                    file.write(json.dumps({"lines": count}).encode() + b"\n")
                Path(raw.name).replace(path)
            except BaseException:
                Path(raw.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        logger.debug("%s is not kept: %s", path, error)


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
    """Where the folder that is kept under `key` is, if it is there."""
    return cache_folder() / section / key


def touch(folder: Path) -> None:
    """Notes that an entry was used: the one that was not for the longest time is the first to go."""
    with contextlib.suppress(OSError):  # of a cache that may only be read
        os.utime(folder)


@contextlib.contextmanager
def new_entry(section: str, key: str) -> Iterator[Path]:
    """An empty folder to fill; `keep` puts it in its place, and what was not kept is removed. Raises NotKept."""
    parent = cache_folder() / section
    with as_not_cached():
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=f".{key[:16]}-", suffix=".tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(folder: Path, section: str, key: str) -> None:
    """Puts a filled folder in its place, whole; of two processes that made the same the first one's stays.

    Then the entries that were not used for the longest time are removed, until the section is within `max_bytes`. One
    that a process has open stays readable to it. Raises NotKept.
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
    found: list[tuple[float, int, Path]] = []
    for path in section.iterdir():
        with contextlib.suppress(OSError):  # another process removes it too
            last = path.stat().st_mtime
            if path.name.startswith("."):
                if time.time() - last > ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                found.append((last, sum(file.stat().st_size for file in path.iterdir()), path))
    left = sum(size for _, size, _ in found) - max_bytes()
    for _, size, path in sorted(found):
        if left <= 0:
            break
        if path != newest:
            gone = path.with_name(f".{path.name}.tmp")  # at once: a process finds it whole or not at all
            with contextlib.suppress(OSError):
                path.rename(gone)
                left -= size
            shutil.rmtree(gone, ignore_errors=True)
