"""Resources of a run on Ray: the options of its task, its share of a node, and nodes without room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xrobust.experiments.experiment_file import Experiment
from xrobust.experiments.job import Place


def task_options(experiment: Experiment, cluster_has_gpus: bool) -> dict[str, Any]:
    """The options of a run's task: cores and GPUs of `resources`, and no retries by Ray, since jobs have their own.

    Where `resources` says nothing of GPUs, it is one for each process of the run on a cluster that has any.
    """
    resources = experiment.resources
    gpus = resources.gpus
    if "gpus" not in resources.model_fields_set and cluster_has_gpus:
        gpus = experiment.processes
    return {"num_cpus": resources.cpus, "num_gpus": gpus, "max_retries": 0}


def place_of(options: Mapping[str, Any]) -> Place:
    """The share of a node that a task with these options has. The GPUs are those that Ray gives to the worker."""
    if options["num_gpus"]:
        return Place()
    return Place(threads=options["num_cpus"], gpus=())


def described(options: Mapping[str, Any]) -> str:
    """`2 cores and 1 GPU`."""
    return _counted(options["num_cpus"], options["num_gpus"])


def lacking(options: Mapping[str, Any], nodes: Sequence[Mapping[str, float]]) -> str | None:
    """A line that says that no node has what a task with these options needs; None where one has."""
    cpus, gpus = options["num_cpus"], options["num_gpus"]
    if any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        return None
    there = sorted({_counted(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes})
    have = f"they have {'; '.join(there)}" if there else "it has none at all"
    return (
        f"a run asks for {described(options)}, and no node of the Ray cluster has that ({have}): "
        "start such a node, or change 'resources' of the experiment"
    )


def _counted(cpus: int, gpus: int) -> str:
    cores = f"{cpus} core{'s' * (cpus != 1)}"
    return f"{cores} and {gpus} GPU{'s' * (gpus != 1)}" if gpus else cores
