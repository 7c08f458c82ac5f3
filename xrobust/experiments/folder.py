"""Files of an experiment: specs, logs, progress and status of its runs, and its index."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xrobust.errors import RunError, UserError
from xrobust.experiments.experiment_file import Experiment
from xrobust.experiments.job import Job, file_name
from xrobust.experiments.planned_cell import PlannedCell
from xrobust.results.experiment_index import TRIALS, experiment_folder
from xrobust.storage.atomic import replace_content

HEADER = "# Written by xrobust sweep. Repeat this run by hand: xrobust run --config FILE\n"


class ExperimentFolder:
    """The folder of an experiment's own files, or of one tuning in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, experiment: Experiment) -> ExperimentFolder:
        """The folder of an experiment."""
        return cls(experiment_folder(experiment.output, experiment.name))

    def tuning(self, name: str) -> ExperimentFolder:
        """The folder of the tuning of one cell."""
        return ExperimentFolder(self.path / TRIALS / name)

    def job(
        self, planned: PlannedCell, seed: int, experiment: Experiment, *, model: str | None = None, trial: bool = False
    ) -> Job:
        """The job of a run. Nothing is written."""
        cell, run_id = planned.cell, planned.run_id(seed)
        name = file_name(cell.task, cell.method, model, seed, run_id)
        return Job(
            name=name,
            task=cell.task,
            method=cell.method,
            model=cell.model,
            seed=seed,
            spec=self.path / "specs" / f"{name}.yaml",
            folder=planned.folder(seed),
            log=self.path / "logs" / f"{name}.log",
            progress=self.path / "progress" / f"{name}.json",
            status=self.path / "status" / f"{name}.json",
            run_id=run_id,
            asked=planned.asked,
            batch_size=planned.batch_size,
            steps=planned.steps,
            retries=experiment.retries,
            processes=experiment.processes,
            trial=trial,
        )

    def require_writable(self) -> None:
        """Makes the folder. Raises UserError where nothing can be written to it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"output {self.path}: cannot be written to: {error.strerror or error}; choose another 'output'"
            ) from error


def spec_text(values: Mapping[str, Any]) -> str:
    """A `--config` file with these settings."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times faster
    return HEADER + str(yaml.dump(dict(values), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120))


def write_spec(job: Job, text: str) -> str:
    """Writes the `--config` file of a job, unless it is there, and returns its sha256. Raises RunError."""
    content = text.encode()
    try:
        same = job.spec.read_bytes() == content
    except OSError:
        same = False
    if not same:
        try:
            replace_content(job.spec, content)
        except OSError as error:
            raise RunError(f"cannot write {job.spec}: {error.strerror or error}") from error
    return hashlib.sha256(content).hexdigest()
