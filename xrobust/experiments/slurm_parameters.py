"""Parameters of an experiment's Slurm jobs: those of its file, and defaults."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.experiments.experiment_file import Experiment
from xrobust.experiments.job import Place

TIMEOUT_MIN = 240
"""Time limit of a job by default. A longer run goes on from its checkpoint in the same job, which is queued again."""
SIGNAL_DELAY_S = 120
"""Seconds before the time limit at which a run is told to write a checkpoint, by default."""
MOST_TIMEOUTS = 100
"""Times that a job is queued again at its time limit, by default."""
DECIDED = {
    "name": "'name' of the experiment",
    "nodes": "one node a run",
    "tasks_per_node": "'processes'",
    "cpus_per_task": "'resources: {cpus: N}'",
    "gpus_per_node": "'resources: {gpus: N}'",
}
"""Parameters of submitit that the experiment has in another place."""


def gpus_of(experiment: Experiment) -> int:
    """GPUs of a run: those of `resources`, or else one for each of several processes."""
    if "gpus" in experiment.resources.model_fields_set:
        return experiment.resources.gpus
    return experiment.processes if experiment.processes > 1 else 0


def place_of(experiment: Experiment) -> Place:
    """The share of a node that a run has. GPUs are those that Slurm gives to the job."""
    return Place() if gpus_of(experiment) else Place(threads=experiment.resources.cpus)


def make_submitter(experiment: Experiment, folder: Path) -> Any:
    """submitit's executor, with files in `folder`.

    Raises UserError where submitit is not installed, this machine cannot submit, or a parameter is not submitit's.
    """
    submitit = require_submitit()
    if missing := [command for command in ("sbatch", "srun", "sacct") if shutil.which(command) is None]:
        raise UserError(
            f"--executor slurm: this machine has no {missing[0]}: give the command on a login node of a Slurm cluster"
        )
    values = dict(experiment.slurm)
    timeouts = values.pop("slurm_max_num_timeout", MOST_TIMEOUTS)
    for name, instead in DECIDED.items():
        if name in values or f"slurm_{name}" in values:
            raise UserError(f"slurm: {name!r} is not for the file: it is made of {instead}")
    submitter = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=timeouts)
    try:
        submitter.update_parameters(**{**_defaults(experiment), **values})
    except (AssertionError, NameError, TypeError, ValueError) as error:
        raise UserError(f"slurm: {str(error).strip().splitlines()[0]}") from None
    return submitter


def require_submitit() -> Any:
    """submitit. Raises UserError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise UserError("--executor slurm needs submitit: pip install 'xrobust[slurm]'") from None
    return submitit


def _defaults(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": f"xrobust-{experiment.name}",
        "nodes": 1,
        "tasks_per_node": 1,
        "cpus_per_task": experiment.resources.cpus,
        "gpus_per_node": gpus_of(experiment) or None,
        "timeout_min": TIMEOUT_MIN,
        "slurm_signal_delay_s": SIGNAL_DELAY_S,
    }
