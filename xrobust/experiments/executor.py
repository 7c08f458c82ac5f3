"""Executors: engines that jobs of a sweep are handed to."""

from __future__ import annotations

from abc import ABC, abstractmethod

from xrobust.experiments.job import Job, Outcome


class Executor(ABC):
    """An engine that carries out jobs: processes on this machine, Ray, or Slurm."""

    slots: int | None = None
    """Jobs that it takes at once; None where it has a queue of its own."""

    stops_runs: bool = True
    """False where runs stay with the engine, and go on, when the sweep is stopped."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Hands a job over."""

    @abstractmethod
    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Waits up to `seconds` for jobs to end, and returns those that have."""

    @abstractmethod
    def stop(self) -> None:
        """Takes back the jobs that have not begun, and lets each of the others write a checkpoint and end."""

    @abstractmethod
    def kill(self) -> None:
        """Ends all jobs at once."""

    def close(self) -> None:  # noqa: B027 - not every engine has anything to give back
        """Gives back what the engine holds. No job is running any more."""

    @abstractmethod
    def describe(self) -> str:
        """A line on where the jobs run, and what each has."""
