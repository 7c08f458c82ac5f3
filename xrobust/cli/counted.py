"""Progress of a command whose output goes to standard output: a bar on standard error, or a line now and then."""

from __future__ import annotations

import time

from xrobust.runtime.screen import visible

PLAIN_SECONDS = 10.0
"""Seconds between progress lines where standard error is no terminal."""


class Counted:
    """Counter of work done, shown on standard error. Use it as a context while the work goes on."""

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._unit = unit
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        columns = (TextColumn(unit, markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task(unit, total=None)
        self._printed = time.monotonic()

    def __enter__(self) -> Counted:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Moves the bar, or prints a line every few seconds."""
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() - self._printed >= PLAIN_SECONDS:
            self._printed = time.monotonic()
            self._console.print(f"{done:,} of {total:,} {self._unit}")

    def say(self, text: str) -> None:
        """Prints a line."""
        self._console.print(visible(text))
