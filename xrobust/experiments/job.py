"""A job of a sweep: one run that is carried out in a process of its own, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["complete", "failed", "stopped", "busy", "no room"]
"""`stopped`: it wrote a checkpoint and ended, because it was told to; `busy`: another process is at work on the run;
`no room`: the disk is full."""


@dataclass(frozen=True)
class Job:
    """One run, with the files that it is made from and that it leaves."""

    name: str
    task: str
    method: str
    model: str
    seed: int
    spec: Path
    """The `--config` file."""
    folder: Path
    """Folder of the run."""
    log: Path
    """File with all that the run prints, attempts one after another."""
    progress: Path
    """File that the run writes its progress to."""
    status: Path
    """File with the attempts so far."""
    run_id: str
    asked: str
    """sha256 of all that decides which scores the run is to have."""
    batch_size: int
    """Examples per optimiser step."""
    steps: int | None = None
    """Optimiser steps, where they are known before it begins."""
    retries: int = 1
    """Times that it is started again after a failure."""
    processes: int = 1
    """Processes of the run, one a GPU."""
    trial: bool = False
    """True for a trial of tuning."""


@dataclass(frozen=True)
class Place:
    """Share of a machine that a run gets."""

    cores: tuple[int, ...] = ()
    """Numbers of the cores that it is pinned to; none for all."""
    threads: int | None = None
    """Number of threads; None for the libraries' own choice."""
    gpus: tuple[str, ...] | None = None
    """GPUs as CUDA_VISIBLE_DEVICES has them; None leaves the variable as it is."""


@dataclass(frozen=True)
class Attempt:
    """One start of a run."""

    started: str
    """UTC, ISO 8601."""
    seconds: float
    exit_code: int
    reason: str | None = None
    """One line, where it failed."""
    micro_batch_size: int | None = None
    """Size of micro-batches that it was started with, after memory had run out."""


@dataclass(frozen=True)
class Outcome:
    """End of a job."""

    state: State
    reason: str | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def seconds(self) -> float:
        """Seconds of all attempts together."""
        return sum(attempt.seconds for attempt in self.attempts)


def file_name(task: str, method: str, model: str | None, seed: int, run_id: str) -> str:
    """Name of a job and of its files: what the run is, and the first digits of its id."""
    return f"{readable(task, method, model and model.rstrip('/').rpartition('/')[2], f'seed{seed}')}-{run_id[:8]}"


def readable(*parts: str | None) -> str:
    """Parts that are not None, joined with `-`, as a name that a file can have."""
    text = "-".join(part for part in parts if part)
    return "".join(char if char.isalnum() or char in "+-_." else "." for char in text)[:150]
