"""Progress of a run in a small file, for the process that started it: phase, and how much of it is done."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from xrobust.contracts.hooks import hookimpl

PROGRESS_FILE = "XROBUST_PROGRESS_FILE"
"""Path of the file to write progress to."""
SECONDS = 0.5
"""Seconds between two writes in one phase."""


class ProgressFile:
    """Observer that writes `{"phase": "train", "done": 30, "total": 96}` to a file; a write that fails is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0.0
        self._phase, self._done, self._total = "start", 0, 0
        self._scored: set[tuple[Any, ...]] = set()

    @hookimpl
    def phase_started(self, name: str, total: int | None) -> None:
        """Begins a phase."""
        self._phase, self._done, self._total = name, 0, total or 0
        self._write()

    @hookimpl
    def step_finished(self, step: int, total_steps: int) -> None:
        """Notes a training step."""
        self._done, self._total = step, total_steps
        self._write(often=True)

    @hookimpl
    def language_scored(self, row: dict[str, Any]) -> None:
        """Notes a score; a test set under a condition counts once, whatever the number of its metrics."""
        if row["condition"] == "worst_case":  # computed from the others
            return
        self._scored.add((row["language"], str(row["pair"]), row["condition"], row["perturbation"], row["attack"]))
        self._done = len(self._scored)
        self._write(often=True)

    def _write(self, *, often: bool = False) -> None:
        if often and time.monotonic() - self._written < SECONDS:
            return
        self._written = time.monotonic()
        text = json.dumps({"phase": self._phase, "done": self._done, "total": self._total})
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(text)
            temporary.replace(self._path)


def progress_observers() -> list[ProgressFile]:
    """The observer for the file that the environment names; none where it names none."""
    path = os.environ.pop(PROGRESS_FILE, None)
    return [] if path is None else [ProgressFile(Path(path))]


def read_progress(path: Path) -> dict[str, Any] | None:
    """The progress that a run wrote last; None where it wrote none yet."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
