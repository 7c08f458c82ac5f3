"""Experiments made by hand: an index, and runs of which some may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scored_runs import accuracy_group

from xrobust.results.experiment_index import ExperimentIndex, ExperimentRun, experiment_folder

LANGUAGES = {"en": 0.8, "de": 0.6}
BETTER = {"en": 0.8, "de": 0.72}


def asked(
    output: Path,
    task: str,
    method: str,
    seeds: Sequence[int] = (1, 2),
    *,
    missing: Sequence[int] = (),
    model: str = "tiny",
    **run: object,
) -> list[ExperimentRun]:
    """Runs of one task and method as an index has them; those of all seeds but `missing` are written to `output`."""
    there = [seed for seed in seeds if seed not in missing]
    accuracy = LANGUAGES if method == "vanilla" else BETTER
    folders = dict(zip(there, accuracy_group(output, method, accuracy, there, n=60, task=task, **run), strict=True))  # type: ignore[arg-type]
    return [
        ExperimentRun(
            name=f"{task}-{method}-{seed}",
            task=task,
            method=method,
            model=model,
            seed=seed,
            folder=str(folders[seed].relative_to(output)) if seed in folders else None,
        )
        for seed in seeds
    ]


def write_index(output: Path, name: str, runs: Sequence[ExperimentRun]) -> Path:
    """Writes the index of an experiment with the baseline `vanilla`, and returns its folder."""
    folder = experiment_folder(output, name)
    folder.mkdir(parents=True)
    ExperimentIndex(name=name, baseline="vanilla", runs=tuple(runs)).save(folder)
    return folder
