"""Libraries of experiment trackers, each used through Accelerate's class for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xrobust.errors import UserError

logger = logging.getLogger("xrobust")

State = Literal["complete", "failed", "interrupted"]
RUN_ID = "xrobust.run_id"
"""Tag by which a run is found again in MLflow, which chooses ids itself."""
METRICS_AT_ONCE = 500
"""Metrics of one request to MLflow, which takes 1,000 at most."""


@dataclass(frozen=True)
class TrackedRun:
    """A run's place in trackers."""

    run_id: str
    name: str
    group: str
    """The experiment, or the task of a run that belongs to none."""
    experiment: str | None
    folder: Path
    """Folder of the trackers that write to disk, absolute."""
    anew: bool
    """True for a run from its beginning; False for one that goes on."""
    offline: bool
    trained_steps: int
    """Optimiser steps of the trained model, where only scores are left to make."""


class Library:
    """One library, and a run that is open in it: what they have in common."""

    tracker: Any
    """Accelerate's tracker."""

    def open(self, run: TrackedRun) -> None:
        """Opens the run, or opens it again where it goes on."""
        raise NotImplementedError

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Logs the parameters of the run."""
        self.tracker.store_init_configuration(dict(values))

    def trains_from(self, step: int) -> None:
        """Notes that training logs from this step on: what an earlier try logged of later steps is logged again."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Logs numbers by name."""
        self.tracker.log(dict(values), step=step)

    def close(self, state: State, reason: str, step: int) -> None:
        """Logs how the run ended, writes all out, and closes it."""
        raise NotImplementedError


class TensorBoard(Library):
    """TensorBoard's event files, in a folder for each run."""

    def open(self, run: TrackedRun) -> None:
        """See `Library`: a run that goes on adds a file to its folder."""
        from accelerate.tracking import TensorBoardTracker

        folder = run.folder / "tensorboard" / run.group
        self.tracker = TensorBoardTracker(run.name, str(folder))
        self.tracker.start()
        self._has_parameters = any((folder / run.name).glob("*/hparams.yml"))

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See `Library`. They have a folder of their own below the run's, and are written once."""
        if not self._has_parameters:
            super().parameters(values)

    def trains_from(self, step: int) -> None:
        """See `Library`: TensorBoard is told of a restart, and leaves out what came from this step on before."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        restart = Event(session_log=SessionLog(status=SessionLog.START))
        self.tracker.writer.file_writer.add_event(restart, step)

    def close(self, state: State, reason: str, step: int) -> None:
        """See `Library`: the state is a text."""
        self.tracker.log({"state": f"{state}: {reason}" if reason else state}, step=step)
        self.tracker.finish()


class MLflow(Library):
    """MLflow, with a store of files in the output folder unless MLFLOW_TRACKING_URI names a server."""

    def open(self, run: TrackedRun) -> None:
        """See `Library`: the experiment is MLflow's experiment; a run that goes on is found by a tag."""
        import mlflow
        from accelerate.tracking import MLflowTracker

        self._own_store = not mlflow.is_tracking_uri_set()
        if self._own_store:
            # Without this MLflow 3.7 and later refuse the files, in favour of a database: of sqlalchemy, which the
            # small package does not have.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            mlflow.set_tracking_uri((run.folder / "mlflow").as_uri())
        self.tracker = MLflowTracker(run.experiment or "xrobust", run_name=run.name)
        if not run.anew and self.tracker.run_id is None:
            self.tracker.run_id = _mlflow_id(self.tracker.experiment_name, run.run_id)
        self.tracker.start()
        # The source would otherwise be the path of the program.
        mlflow.set_tags({RUN_ID: run.run_id, "mlflow.source.name": "xrobust", "xrobust.state": "running"})

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See `Library`: those of a run that goes on stay as they were logged first, since MLflow changes none."""
        import mlflow

        logged = mlflow.get_run(self.tracker.tracker.info.run_id).data.params
        super().parameters({name: value for name, value in values.items() if name not in logged})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Library`; in as many requests as it takes."""
        names = list(values)
        for i in range(0, len(names), METRICS_AT_ONCE):
            super().log({name: values[name] for name in names[i : i + METRICS_AT_ONCE]}, step)

    def close(self, state: State, reason: str, step: int) -> None:
        """See `Library`: the state is the run's status, and a tag with its reason."""
        import mlflow

        mlflow.set_tags({"xrobust.state": state, **({"xrobust.error": reason} if reason else {})})
        mlflow.end_run({"complete": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}[state])
        if self._own_store:
            mlflow.set_tracking_uri(None)  # the next run of this process may write to another folder


class WandB(Library):
    """Weights & Biases, whose own environment variables hold."""

    def open(self, run: TrackedRun) -> None:
        """See `Library`: the run's id is xrobust's, so that it goes on where W&B knows it."""
        import wandb
        from accelerate.tracking import WandBTracker

        folder = run.folder / "wandb"
        folder.mkdir(parents=True, exist_ok=True)  # W&B writes to the system's temporary folder else
        self.tracker = WandBTracker(
            os.environ.get("WANDB_PROJECT", "xrobust"),
            id=run.run_id,
            name=run.name,
            group=run.experiment,
            dir=str(folder),
            mode="offline" if run.offline else None,
            resume=None if run.anew else "allow",
            # It would write to the terminal, and copy what others write there.
            settings=wandb.Settings(console="off", silent=True, init_timeout=20),
        )
        self.tracker.start()
        if not self.tracker.run.offline:
            logger.info("wandb: %s", self.tracker.run.url)

    def close(self, state: State, reason: str, step: int) -> None:
        """See `Library`: the state is in the summary."""
        self.tracker.run.summary.update({"state": state, "error": reason or None})
        self.tracker.run.finish(exit_code=0 if state == "complete" else 1)


LIBRARIES: dict[str, type[Library]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}
"""Name of a tracker -> its library."""


def require_trackers(names: Sequence[str], *, offline: bool) -> None:
    """Raises UserError for a tracker whose library is not installed, or that nobody is logged in to."""
    if not names:
        return
    from accelerate.utils import imports

    for name in names:
        if not getattr(imports, f"is_{name}_available")():
            raise UserError(f'--log-with {name}: its library is not installed: pip install "xrobust[trackers]"')
    if "wandb" in names and not offline:
        import wandb

        if wandb.setup().settings.mode in ("online", "shared") and not wandb.login(prompt=False):
            raise UserError(
                "--log-with wandb: no login is known for Weights & Biases: run `wandb login`, or set "
                "WANDB_MODE=offline to send nothing"
            )


def _mlflow_id(experiment: str, run_id: str) -> str | None:
    """MLflow's id of the latest run that was logged for a run; None without one."""
    from mlflow import MlflowClient

    client = MlflowClient()
    if (found := client.get_experiment_by_name(experiment)) is None:
        return None
    runs = client.search_runs([found.experiment_id], f"tags.`{RUN_ID}` = '{run_id}'", max_results=1)
    return runs[0].info.run_id if runs else None
