"""Paths that stand for something else than a file on the disk: pipes, devices, open descriptors."""

from __future__ import annotations

import errno
import os
import re
import stat
from io import BufferedReader
from pathlib import Path

from xrobust.errors import UserError

DESCRIPTOR = re.compile(r"/(?:dev/std(?P<name>in|out|err)|(?:dev|proc/self)/fd/(?P<number>\d+))")
LONGEST = 255
"""Bytes that Linux, macOS and Windows have for the name of a file."""
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def descriptor(path: Path) -> int | None:
    """The descriptor that `/dev/stdout`, `/dev/fd/3` and the like stand for; None for any other path."""
    found = DESCRIPTOR.fullmatch(str(path))
    if found is None:
        return None
    return int(found["number"]) if found["number"] else ("in", "out", "err").index(found["name"])


def kind(path: Path) -> str | None:
    """`a pipe`, `a device`, `a socket` or `a folder`, also through links; None for a regular file and for nothing."""
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):  # nothing there; a NUL in the name
        return None


def unusable(name: str) -> str | None:
    """The reason why a text cannot be the path of a file that a document names; None where it can."""
    if "\0" in name:
        return "it has a NUL in it"
    try:
        parts = [len(part) for part in name.encode().split(b"/")]
    except UnicodeEncodeError:
        return "it is not UTF-8"
    return "it is too long" if max(parts) > LONGEST or sum(parts) > 16 * LONGEST else None


class NotRegular(OSError):
    """A path is a pipe, a device, a socket or a folder, where a file belongs."""


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened to be read. Raises OSError, of which NotRegular: no pipe and no device is waited for."""
    # With O_NONBLOCK a pipe is opened at once, and can be asked what it is.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    what = KINDS.get(stat.S_IFMT(os.fstat(number).st_mode))
    if what is not None:
        os.close(number)
        raise NotRegular(errno.EINVAL, f"it is {what}, where a file belongs", str(path))
    return os.fdopen(number, "rb")


def require_regular(path: Path, size: int | None = None) -> None:
    """Refuses what is read again, or would be waited for for ever: pipes and devices; and what is over `size` bytes.

    A descriptor that the shell opened, as for `--config <(...)`, is taken. What is not there is left to be found when
    it is opened. Raises UserError.
    """
    if (what := kind(path)) is not None and (what == "a folder" or descriptor(path) is None):
        raise UserError(f"{path} is {what}, where a file belongs")
    if size is not None and what is None and path.is_file() and path.stat().st_size > size:
        raise UserError(
            f"{path} has {path.stat().st_size:,} bytes, where at most {size:,} belong: is it the right file?"
        )
