"""Output of a sweep for people: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xrobust.experiments.cost import duration
from xrobust.experiments.job import Job, Outcome
from xrobust.runtime.progress_file import read_progress
from xrobust.runtime.screen import say, visible

if TYPE_CHECKING:
    from xrobust.experiments.sweep import Entry, Sweep

MOST_LINES = 30
"""Most runs that the live table shows; more are counted."""
PLAIN_SECONDS = 60.0
"""Seconds between lines on progress where the output is no terminal."""


class PlainView:
    """Lines for each run that starts and ends."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def begun(self, sweep: Sweep) -> None:
        """Says how much there is to do."""
        self.say(headline(sweep))

    def started(self, job: Job, *, queued: bool) -> None:
        """Says that a run starts, or waits in the queue of an engine."""
        self.say(f"{'queued' if queued else 'started':<9} {job.name}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Says how a run ended."""
        self.say(ending(job, outcome))

    def say(self, text: str) -> None:
        """Prints a line at once, also into a file or a pipe."""
        say(text)
        if sys.stdout is not None:
            sys.stdout.flush()

    def tick(self, sweep: Sweep) -> None:
        """Says now and then how far it is."""
        if time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            self.say(headline(sweep))


class TerminalView(PlainView):
    """A table with the runs that are going on, below the lines of those that have ended."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> TerminalView:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def begun(self, sweep: Sweep) -> None:
        """Draws the table."""
        self.tick(sweep)

    def started(self, job: Job, *, queued: bool) -> None:
        """The table shows it."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Prints how a run ended, above the table."""
        self._console.print(Text(visible(ending(job, outcome))))

    def say(self, text: str) -> None:
        """Prints a line above the table."""
        self._console.print(Text(visible(text)))

    def tick(self, sweep: Sweep) -> None:
        """Draws the table anew."""
        self._live.update(drawn(sweep), refresh=True)


def make_view() -> PlainView:
    """The view for standard output: a table where it is a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        return TerminalView(Console(highlight=False, markup=False, emoji=False))
    return PlainView()


def headline(sweep: Sweep) -> str:
    """Counts of runs by state, and the time that is left."""
    entries = list(sweep.entries.values())
    total = len(entries) + sweep.to_come()
    counts = {
        "complete": sum(entry.state == "complete" for entry in entries),
        "queued or running" if sweep.queued else "running": len(sweep.running()),
        "elsewhere": len(sweep.elsewhere()),
        "failed": len(sweep.failed()),
    }
    shown = [f"{number} {what}" for what, number in counts.items() if number or what == "complete"]
    left = time_left(sweep)
    rest = f"; about {duration(left)} left" if left else ""
    return f"{sweep.plan.experiment.name}: {total} runs, {', '.join(shown)}{rest}"


def time_left(sweep: Sweep) -> float | None:
    """Seconds until the end, from what earlier runs took; None where too little is known."""
    running, waiting = sweep.running(), sweep.waiting()
    expected = [sweep.plan.costs.expected(entry.job) for entry in (*running, *waiting)]
    if sweep.queued or not expected or any(one is None for one in expected):
        return None
    passed = sum(time.monotonic() - entry.since for entry in running)
    total = sum(one for one in expected if one is not None)
    return max(0.0, total - passed) / max(1, len(running))


def ending(job: Job, outcome: Outcome) -> str:
    """A line on a run that has ended."""
    took = duration(outcome.seconds)
    again = f", started {len(outcome.attempts)} times" if len(outcome.attempts) > 1 else ""
    if outcome.state == "complete":
        return f"complete  {job.name}  {took}{again}"
    if outcome.state == "failed":
        return f"failed    {job.name}  {took}{again}: {outcome.reason} ({job.log})"
    return f"{outcome.state:<9} {job.name}  {took}"


def drawn(sweep: Sweep) -> Table:
    """The table: a line for each run that is going on, and a line with counts."""
    table = Table(box=None, pad_edge=False, show_header=False, title_justify="left", caption_justify="left")
    for _ in range(5):
        table.add_column(no_wrap=True)
    running = [entry for entry in sweep.running() if not sweep.queued or entry.job.progress.exists()]
    for entry in running[:MOST_LINES]:
        table.add_row(*_line(sweep, entry))
    if len(running) > MOST_LINES:
        table.add_row(Text(f"and {len(running) - MOST_LINES} more"))
    for entry in sweep.elsewhere()[:5]:
        table.add_row(Text(visible(entry.job.name)), Text("another process is at work on it"))
    table.caption = Text(headline(sweep))
    return table


def _line(sweep: Sweep, entry: Entry) -> list[Text | ProgressBar]:
    found = read_progress(entry.job.progress) or {"phase": "start", "done": 0, "total": 0}
    done, total = int(found["done"]), int(found["total"])
    passed = time.monotonic() - entry.since
    expected = sweep.plan.costs.expected(entry.job)
    left = "" if expected is None else f"about {duration(max(0.0, expected - passed))} left"
    return [
        Text(visible(entry.job.name)),
        Text(str(found["phase"])),
        ProgressBar(total=total or 1, completed=min(done, total), width=20),
        Text(f"{done}/{total}" if total else ""),
        Text(f"{duration(passed)}  {left}"),
    ]


def summary(sweep: Sweep) -> Iterator[str]:
    """Lines at the end of a sweep: counts, and each failure with the place of its log."""
    entries = list(sweep.entries.values())
    before = sum(entry.done_before for entry in entries)
    complete = sum(entry.state == "complete" for entry in entries)
    parts = [f"{complete} of {len(entries) + sweep.to_come() + sweep.never} runs complete"]
    if before:
        parts.append(f"{before} of them before")
    if failed := sweep.failed():
        parts.append(f"{len(failed)} failed")
    if sweep.never:
        parts.append(f"{sweep.never} cannot be run")
    if left := len(sweep.waiting()) + sum(entry.state in ("stopped", "no room") for entry in entries):
        parts.append(f"{left} not finished")
    yield ", ".join(parts)
    for entry in sweep.failed():
        reason = entry.outcome.reason if entry.outcome else ""
        yield f"failed: {entry.job.name}: {reason} ({entry.job.log})"
    yield from (f"failed: {problem}" for problem in sweep.problems)
