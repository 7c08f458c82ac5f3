"""Ctrl-C and SIGTERM: they stop the work at once, or after a section of it that has to be finished."""

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
"""Exit code after SIGTERM: EX_TEMPFAIL of sysexits.h. The same command, started again, resumes."""
GOES_ON = {
    "run": "goes on from the last checkpoint",
    "eval": "scores what has no score yet",
    "sweep": "goes on with what is missing",
}
"""Commands that go on after they were stopped, and how. Others begin from the start."""
SAME_SECONDS = 2.0
"""A signal that comes again so soon is the same one: a scheduler sends it to every process, and a launcher, which is
one of them, passes it on."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster's scheduler sends it before it takes a machine away.

    A subclass of KeyboardInterrupt: code that lets Ctrl-C through lets this through too.
    """


@dataclass
class _State:
    """Signals that this process has received. A program has one set of signal handlers, so there is one of these."""

    asked: int | None = None
    """The first signal."""
    at: float = 0.0
    holds: int = 0
    """Number of `held` contexts that are open."""
    watches: int = 0
    process: int = 0


_state = _State()


@contextmanager
def watched() -> Iterator[None]:
    """Context in which Ctrl-C raises KeyboardInterrupt and SIGTERM `Terminated`, and `asked` returns the signal.

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
    """Context that is finished after a first signal, which is raised at its end; a second is raised at once."""
    _state.holds += 1
    try:
        yield
    finally:
        _state.holds -= 1
    if _state.asked is not None and not _state.holds:
        stop(_state.asked)


@contextmanager
def released() -> Iterator[None]:
    """Context inside `held` for long work that can be cut short: signals are raised at once, waiting ones too."""
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
    """Raises the exception of a signal; also for one that another process received and that stops all of them."""
    if _state.asked is None:
        _state.asked, _state.at = number, time.monotonic()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def ignored() -> None:
    """Ignores both signals from here on: the process is about to end, and another would change its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def exit_code(number: int) -> int:
    """Exit code of a process that was stopped by a signal."""
    return TERMINATED if number == signal.SIGTERM else INTERRUPTED


def message(number: int, command: str = "run") -> str:
    """Message to the user about a command that was stopped by a signal, and what it does when it is given again."""
    what = "terminated" if number == signal.SIGTERM else "interrupted"
    if command not in GOES_ON:
        return f"{what}; the same command begins from the start"
    again = f" (exit code {TERMINATED}: start it again)" if number == signal.SIGTERM else ""
    return f"{what}; the same command {GOES_ON[command]}{again}"


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
