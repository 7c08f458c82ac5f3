"""Hooks of a run for observers. Decorate functions of these names with `hookimpl`, take only the arguments that you
need, and name the module (or an object or class that has them as methods) in entry-point group `xrobust.observers`.

They are called on the main process only, those of an observer on one thread of its own, and the run waits for each. An
observer cannot change a run; one that raises, or takes longer than 30 seconds over a hook, is dropped with a warning.
Each hook has the run's id, and its folder, which keeps what there is of the run.
"""

from __future__ import annotations

from typing import Any

import pluggy

PROJECT = "xrobust"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def run_started(run_id: str, folder: str, spec: dict[str, Any], total_steps: int, head: str) -> None:
    """Training begins or resumes. `spec` is the RunSpec, resolved; `head` says if the model's head is new, and why."""


@hookspec
def evaluation_started(run_id: str, folder: str, spec: dict[str, Any]) -> None:
    """Scoring begins, of a run that was just trained or, by `xrobust eval`, of an older one. `spec` is as above."""


@hookspec
def phase_started(run_id: str, folder: str, name: str, total: int | None) -> None:
    """A phase begins (`encode`, `train`, ...). `total` is what it counts, in its own units; None where unknown."""


@hookspec
def step_finished(
    run_id: str,
    folder: str,
    step: int,
    total_steps: int,
    loss: float,
    learning_rate: float,
    examples_per_second: float,
) -> None:
    """A logging step: optimiser step `step` (from 1) is done. `loss` is the mean per labelled item since the last."""


@hookspec
def dev_scored(run_id: str, folder: str, step: int, metric: str, value: float, best: bool) -> None:
    """The source dev set was scored after `step`. `value` is a fraction of 1; `best` says it is the best so far."""


@hookspec
def checkpoint_saved(run_id: str, folder: str, step: int, path: str) -> None:
    """A checkpoint is whole on disk in folder `path`."""


@hookspec
def language_scored(run_id: str, folder: str, row: dict[str, Any]) -> None:
    """One row of the result document's `scores`, already on disk."""


@hookspec
def not_covered(run_id: str, folder: str, language: str, perturbation: str, reason: str) -> None:
    """A perturbation does not cover a language: there is no score of it. `reason` says why, in a few words."""


@hookspec
def scoring_failed(run_id: str, folder: str, of: dict[str, Any], error: str) -> None:
    """A test set could not be scored under a condition, and the others are. `of` has `language`, `pair`, `condition`,
    `perturbation` and `attack`, as a row of `scores`; `error` is the one-line reason."""


@hookspec
def run_finished(run_id: str, folder: str, result: dict[str, Any]) -> None:
    """The run is complete. `result` is the result document."""


@hookspec
def run_interrupted(run_id: str, folder: str) -> None:
    """The run was stopped by Ctrl-C or SIGTERM: the same command goes on with it."""


@hookspec
def run_failed(run_id: str, folder: str, error: str) -> None:
    """The run ended early. `error` is the one-line reason."""
