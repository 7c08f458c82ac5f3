"""Ctrl-C and SIGTERM: they stop what goes on at once, or, where that has to be done to its end, after it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""
TERMINATED = 75
"""Exit code after SIGTERM: EX_TEMPFAIL of sysexits.h. The same command, started again, goes on."""
SAME_SECONDS = 2.0
"""A signal that comes again so soon is the same one: a scheduler sends it to every process, and a launcher, which is
one of them, passes it on."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster's scheduler sends it before it takes a machine away.

    What lets Ctrl-C through (a KeyboardInterrupt) lets this through too.
    """


@dataclass
class _State:
    """What this process has received. A program has one set of signal handlers, so there is one of these."""

    asked: int | None = None
    """The first signal."""
    at: float = 0.0
    holds: int = 0
    """How many `held` are open."""
    watches: int = 0
    process: int = 0


_state = _State()


@contextmanager
def watched() -> Iterator[None]:
    """In here Ctrl-C raises KeyboardInterrupt and SIGTERM `Terminated`, and `asked` tells of them.

    Off the main thread of a Python caller signals are the caller's: nothing is changed.
    """
    previous: dict[int, Any] = {}
    try:
        for watching in (signal.SIGINT, signal.SIGTERM):
            previous[watching] = signal.signal(watching, _receive)
    except ValueError:  # not the main thread
        yield
        return
    _state.process = os.getpid()
    _state.watches += 1
    try:
        yield
    finally:
        _state.watches -= 1
        if not _state.watches:
            _state.asked = None
        for number, handler in previous.items():
            if signal.getsignal(number) == _receive:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def held() -> Iterator[None]:
    """What is in here is done to its end after a first signal, which is raised then; a second is raised at once."""
    _state.holds += 1
    try:
        yield
    finally:
        _state.holds -= 1
    if _state.asked is not None and not _state.holds:
        stop(_state.asked)


@contextmanager
def released() -> Iterator[None]:
    """Within `held`: something long that can be cut short. A signal is raised at once, also one that was waiting."""
    holds, _state.holds = _state.holds, 0
    try:
        if _state.asked is not None:
            stop(_state.asked)
        yield
    finally:
        _state.holds = holds


def asked() -> int | None:
    """The number of the signal that asked to stop, or None."""
    return _state.asked


def stop(number: int) -> NoReturn:
    """Raises what a signal raises; also for one that another process received, and that holds for all."""
    if _state.asked is None:
        _state.asked, _state.at = number, time.monotonic()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def ignored() -> None:
    """From here on this process only ends: a signal that is passed on to it again would change how."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def exit_code(number: int) -> int:
    """What a process exits with that was stopped by a signal."""
    return TERMINATED if number == signal.SIGTERM else INTERRUPTED


def message(number: int) -> str:
    """What a user is told of a run that was stopped by a signal."""
    if number == signal.SIGTERM:
        return f"terminated; the same command goes on from the last checkpoint (exit code {TERMINATED}: start it again)"
    return "interrupted; the same command goes on from the last checkpoint"


def _receive(number: int, frame: Any) -> None:
    if os.getpid() != _state.process:
        # A worker that was forked from this process: it has nothing to finish, and whoever ends it waits for its end.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    first, since = _state.asked is None, time.monotonic() - _state.at
    if not first and since < SAME_SECONDS:
        return
    _state.asked, _state.at = number, time.monotonic()
    if first and _state.holds:
        return
    stop(number)
