"""Standard streams of a command that outlast their reader: closed ones, full disks, pipes whose other end has gone."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

from xrobust.errors import RunError


class OutputLost(RunError):
    """Standard output that could not be written; `unread` where its reader has gone, as `head` does."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror or error}")
        self.unread = error.errno == errno.EPIPE


class _Outlasting(io.FileIO):
    """A descriptor that goes nowhere after the first failed write, which it raises as OutputLost if it `stops`."""

    def __init__(self, number: int, *, stops: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self.stops = stops
        self.lost: OSError | None = None

    def write(self, data: Any) -> int:
        if self.lost is None:
            try:
                return int(super().write(data) or 0)
            except OSError as error:
                self.lost = error
                _to_nowhere(self.fileno())  # for what is still in a buffer, for libraries and for children
        if self.stops:
            self.stops = False  # once: the interpreter flushes at its end
            raise OutputLost(self.lost)
        return len(data)


_output: list[_Outlasting] = []
"""The descriptor behind standard output, once `outlast` was called."""


def outlast(*, stops: bool) -> None:
    """Replaces the standard streams of this process by ones that no closed descriptor, full disk or pipe can break.

    With `stops` a lost output raises OutputLost: a command that prints its result has nothing more to do. Without, it
    goes on, as training does. Characters that the encoding of a stream does not have are printed as escapes.
    """
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for number in closed:
        _to_nowhere(number)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is not None and (not isinstance(old, io.TextIOWrapper) or _number(old) != number):
            continue  # another program's
        raw = _Outlasting(number, stops=stops and number == 1)
        if number in closed:
            raw.lost = OSError(errno.EBADF, "it is closed")
        encoding = "utf-8" if old is None else old.encoding
        line_buffering = number == 2 or raw.isatty()
        buffer = io.BufferedWriter(raw)
        setattr(sys, name, io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=line_buffering))
        if number == 1:
            _output[:] = [raw]


def lost_output() -> OutputLost | None:
    """The first write to standard output that failed; None where all of it was written, or `outlast` was not called."""
    with contextlib.suppress(OutputLost):
        if sys.stdout is not None:
            sys.stdout.flush()
    lost = _output[0].lost if _output else None
    return None if lost is None else OutputLost(lost)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _number(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _to_nowhere(number: int) -> None:
    """Connects a descriptor to the null device."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
