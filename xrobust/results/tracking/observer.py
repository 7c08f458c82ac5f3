"""The observer that logs a run to an experiment tracker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrobust.contracts.hooks import hookimpl
from xrobust.results.host_free import host_free
from xrobust.results.tracking.libraries import Library, State, TrackedRun
from xrobust.results.tracking.values import parameters, result_values, score_values


class Tracker:
    """Observer that logs one run to one tracker: parameters, training, scores as they come, and the end."""

    def __init__(self, library: type[Library], run: TrackedRun) -> None:
        self._library = library()
        self._run = run
        self._step = run.trained_steps
        self._open = False
        self._training = False
        self._logged: dict[str, float] = {}
        """Scores that were logged."""

    @hookimpl
    def run_started(self, spec: dict[str, Any]) -> None:
        """Opens the run and logs its parameters."""
        self._begin(spec)

    @hookimpl
    def evaluation_started(self, spec: dict[str, Any]) -> None:
        """Does the same for a run whose training was complete already."""
        self._begin(spec)

    @hookimpl
    def step_finished(self, step: int, loss: float, learning_rate: float, examples_per_second: float) -> None:
        """Logs the loss and how training goes."""
        values = {"loss": loss, "learning_rate": learning_rate, "examples_per_second": examples_per_second}
        self._train({f"train/{name}": value for name, value in values.items()}, step)

    @hookimpl
    def dev_scored(self, step: int, metric: str, value: float) -> None:
        """Logs the score of the source dev set."""
        self._train({f"dev/{metric}": value}, step)

    @hookimpl
    def language_scored(self, row: dict[str, Any]) -> None:
        """Logs a score and its drop."""
        self._log(score_values(row))

    @hookimpl
    def run_finished(self, result: dict[str, Any]) -> None:
        """Logs the averages, and scores that an earlier try made; closes the run."""
        self._log(result_values(result))
        self._end("complete")

    @hookimpl
    def run_interrupted(self) -> None:
        """Closes the run, which goes on later."""
        self._end("interrupted")

    @hookimpl
    def run_failed(self, error: str) -> None:
        """Closes the run with the reason, which names no path of this machine."""
        self._end("failed", host_free(error))

    def _begin(self, spec: dict[str, Any]) -> None:
        if not self._open:
            self._library.open(self._run)
            self._open = True
            ids = {"run_id": self._run.run_id, "experiment": self._run.experiment}
            self._library.parameters(parameters(spec) | {name: value for name, value in ids.items() if value})

    def _train(self, values: Mapping[str, float], step: int) -> None:
        if not self._training:
            self._training = True
            self._library.trains_from(step)
        self._step = step
        self._library.log(values, step)

    def _log(self, values: Mapping[str, float]) -> None:
        new = {name: value for name, value in values.items() if self._logged.get(name) != value}
        self._logged |= new
        if new:
            self._library.log(new, self._step)

    def _end(self, state: State, reason: str = "") -> None:
        if self._open:
            self._open = False
            self._library.close(state, reason, self._step)
