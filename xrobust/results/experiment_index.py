"""The index of an experiment: the runs that it is made of, and where their documents are.

An experiment `robust` with `output: runs` keeps its own files in `runs/experiments/robust/`: this index
(`experiment.json`), specs, logs and the trials of its tuning. Its runs lie in `runs/` where `xrobust run` writes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from xrobust.errors import UserError
from xrobust.results.store import RESULT
from xrobust.storage.atomic import write_atomically

INDEX = "experiment.json"
EXPERIMENTS = "experiments"
"""Folder in the output of experiments, with a folder for each of them."""
TRIALS = "trials"
"""Folder of an experiment with the runs of its tuning, which are no results."""


class ExperimentRun(BaseModel):
    """One run of an experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    """Name of its files: task, method, seed, and digits of its spec's hash."""
    task: str
    method: str
    model: str
    seed: int
    spec: str | None = None
    """The `--config` file of the run, relative to the experiment's folder; null until its settings are tuned."""
    spec_sha256: str | None = None
    run_id: str | None = None
    folder: str | None = None
    """Folder of the run, relative to the experiment's output."""


class ExperimentIndex(BaseModel):
    """All runs that an experiment asks for, in the order of its file: `experiment.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: Literal[1] = 1
    name: str
    baseline: str
    """The method that the others are compared with: the one whose budget is matched, or else the first."""
    runs: tuple[ExperimentRun, ...]

    def save(self, folder: Path) -> None:
        """Writes the index into the experiment's folder, atomically. Raises RunError where it cannot be written."""
        text = self.model_dump_json(indent=1) + "\n"
        write_atomically(folder / INDEX, lambda file: file.write(text.encode()))


def experiment_folder(output: Path, name: str) -> Path:
    """The folder of an experiment's own files."""
    return output / EXPERIMENTS / name


def output_of(folder: Path) -> Path:
    """The output of the experiment whose own files are in `folder`."""
    return folder.parent.parent


def load_index(folder: Path) -> ExperimentIndex | None:
    """The index in an experiment's folder; None where there is none. Raises UserError for one that is damaged."""
    try:
        text = (folder / INDEX).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"cannot read {folder / INDEX}: {error.strerror}") from error
    try:
        return ExperimentIndex.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{folder / INDEX} is no index of an experiment ({where or 'the whole'}: {first['msg']}): delete it, and "
            "xrobust sweep writes it again"
        ) from error


def documents_of(folder: Path) -> list[Path]:
    """The documents of an experiment's runs, as far as there are any. Raises UserError without a usable index."""
    index = require_index(folder)
    return [file for run in index.runs if (file := document_of(folder, run)) is not None]


def document_of(folder: Path, run: ExperimentRun) -> Path | None:
    """The document of a run of the experiment in `folder`; None where it has none yet."""
    file = None if run.folder is None else output_of(folder) / run.folder / RESULT
    return file if file is not None and file.exists() else None


def require_index(folder: Path) -> ExperimentIndex:
    """The index in an experiment's folder. Raises UserError where there is no usable one."""
    index = load_index(folder)
    if index is None:
        raise UserError(f"there is no {INDEX} in {folder}: xrobust sweep FILE writes it")
    return index


def is_trial(path: Path, below: Path) -> bool:
    """True for a path in the trials of an experiment, unless the folder `below`, in which it lies, is in them too."""
    return in_trials(path) and not in_trials(below)


def in_trials(path: Path) -> bool:
    """True for the folder of the trials of an experiment, and for all in it."""
    parts = Path(os.path.abspath(path)).parts  # noqa: PTH100 - not through links, which may have other names
    return any(parts[i] == EXPERIMENTS and parts[i + 2] == TRIALS for i in range(len(parts) - 2))
