"""Output of a run for people: an observer that draws progress on a terminal and prints plain lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from xrobust.cli.result_tables import print_results
from xrobust.contracts.hooks import hookimpl
from xrobust.plan import RunPlan
from xrobust.report.format import percent
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.runtime import observers
from xrobust.runtime.screen import visible

PLAIN_SECONDS = 5.0
"""Seconds between progress lines where the output is no terminal."""


DROPPED = logging.getLogger(observers.__name__)
"""Logger of the warnings that an observer is left out."""


class Console(observers.Synchronous):
    """Prints to standard output, and observes a run. Use it as a context while the run goes on."""

    def __init__(self, *, enabled: bool) -> None:
        self._console = RichConsole(highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=not enabled)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._printed = 0.0
        self._total: int | None = None
        self._scored: dict[ScoreKey, None] = {}
        self._warnings = _Warnings(self)

    def __enter__(self) -> Console:
        DROPPED.addHandler(self._warnings)
        if self._console.is_terminal and not self._console.quiet:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[count]}", markup=False),
                TextColumn("{task.fields[detail]}", markup=False),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        DROPPED.removeHandler(self._warnings)
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def say(self, text: str) -> None:
        """Prints one line."""
        self._console.print(visible(text))

    @contextlib.contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Shows a spinner on a terminal; nothing elsewhere."""
        if self._console.is_terminal and not self._console.quiet:
            with self._console.status(Text(visible(text))):
                yield
        else:
            yield

    def header(self, plan: RunPlan) -> None:
        """Prints what the run will train, select on and score."""
        train = plan.spec.train
        rows = {row.split: row.rows for row in plan.used if row.language == train.source}
        model = plan.model["id"]
        self.say(f"{train.task} x {plan.method_name}, {model}, seed {train.seed}: run {plan.run_id}")
        languages = plan.spec.evaluation.languages
        self.say(
            f"train {train.source} {rows['train']} rows, select on {train.source} dev {rows['dev']} rows, "
            f"score {len(languages)} languages: {' '.join(languages)}"
        )
        evaluation = plan.spec.evaluation
        more = [perturbation.label for perturbation in evaluation.perturbations]
        more += [f"{evaluation.attack.name} attack"] if evaluation.attack else []
        more += [f"{len(evaluation.pairs)} pairs of languages"] if evaluation.pairs else []
        if more:
            self.say(f"and score: {', '.join(more)}")
        self.say(f"{plan.folder}")

    def _begin(self, name: str, total: int | None) -> None:
        self._total = total
        self._printed = 0.0
        if self._progress is not None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            encoding = name == "encode"  # which has no steps to count
            count = f"{total} examples" if encoding else f"0/{total}"
            self._task = self._progress.add_task(name, total=None if encoding else total, count=count, detail="")

    @hookimpl
    def run_started(self, head: str) -> None:
        """Prints the origin of the model's head."""
        self.say(head)

    @hookimpl
    def phase_started(self, name: str, total: int | None) -> None:
        """Starts a new bar, or prints a line."""
        self._begin(name, total)
        if self._progress is None:
            counted = {"train": "steps", "evaluate": "test sets"}.get(name, "examples")
            self.say(f"{name}: {total} {counted}")

    @hookimpl
    def step_finished(
        self, step: int, total_steps: int, loss: float, learning_rate: float, examples_per_second: float
    ) -> None:
        """Moves the bar, or prints a line every few seconds."""
        detail = f"loss {loss:.4f}  {examples_per_second:.0f} examples/s"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, count=f"{step}/{total_steps}", detail=detail)
        elif step == total_steps or time.monotonic() - self._printed >= PLAIN_SECONDS:
            self._printed = time.monotonic()
            self.say(f"step {step}/{total_steps}  {detail}")

    @hookimpl
    def dev_scored(self, step: int, metric: str, value: float, best: bool) -> None:
        """Prints the source dev score."""
        self.say(f"step {step}  dev {metric} {percent(value)}{'  best so far' if best else ''}")

    @hookimpl
    def language_scored(self, row: dict[str, Any]) -> None:
        """Prints the main score of a language under a condition; other metrics are in the table at the end."""
        under = ScoreKey(**{name: row[name] for name in ScoreKey.model_fields})
        if under in self._scored or under.condition == "worst_case":
            return
        self._scored[under] = None
        what = " ".join(part for part in (under.name, under.label) if part)
        text = f"{what}  {row['metric']} {percent(row['value'])}  n {row['n']}"
        if self._progress is not None and self._task is not None:
            done = len(self._scored)
            self._progress.update(self._task, completed=done, count=f"{done}/{self._total}", detail=visible(text))
        else:
            self.say(f"{len(self._scored)}/{self._total}  {text}")

    @hookimpl
    def not_covered(self, language: str, perturbation: str, reason: str) -> None:
        """Counts a test set without a score as done, and prints the reason."""
        under = ScoreKey(condition="perturbed", language=language, perturbation=perturbation)
        self._without_score(under, f"not covered: {reason}")

    @hookimpl
    def scoring_failed(self, of: dict[str, Any], error: str) -> None:
        """Counts a test set that could not be scored as done, and prints the reason."""
        self._without_score(ScoreKey(**of), f"not scored: {error}")

    def _without_score(self, under: ScoreKey, reason: str) -> None:
        self._scored[under] = None
        text = f"{' '.join(part for part in (under.name, under.label) if part)}  {reason}"
        if self._progress is not None and self._task is not None:
            done = len(self._scored)
            self._progress.update(self._task, completed=done, count=f"{done}/{self._total}", detail=visible(text))
        else:
            self.say(f"{len(self._scored)}/{self._total}  {text}")

    def results(self, result: RunResult, folder: Path) -> None:
        """Prints the end of a run: the tables, warnings, and the path of the document."""
        if not result.scores or self._console.quiet:
            return
        print_results(result)
        if result.sample:
            self.say("sample data: to try things with, not to report")
        for warning in result.warnings:
            self.say(f"warning: {warning}")
        self.say(f"{folder / 'result.json'}")


class _Warnings(logging.Handler):
    """Handler that prints warnings while a run goes on: no document has them."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.say(f"warning: {record.getMessage()}")
