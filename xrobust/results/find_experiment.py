"""Finds an experiment by what a user names it with: its name, its file, its folder or its index."""

from __future__ import annotations

import os
from pathlib import Path

from xrobust.config.values import beside, read_mapping
from xrobust.errors import UserError, did_you_mean
from xrobust.results.experiment_index import EXPERIMENTS, INDEX, experiment_folder
from xrobust.storage.regular_file import unusable

YAML = (".yaml", ".yml")
OUTPUT = "runs"
"""Output of an experiment whose file names none."""


def find_experiment(argument: str, below: Path) -> Path | None:
    """The folder of an experiment's own files, with an index in it; None for an argument that names no experiment.

    Names are looked up in the folder `below`, which runs were written to, and in those in it. What exists is no name.
    Raises UserError for the file of an experiment that was not started, and for a name that two experiments have.
    """
    if not argument or unusable(argument) is not None:
        return None
    path = Path(argument)
    if path.suffix in YAML and path.is_file():
        return _of_file(path)
    if path.name == INDEX and path.is_file():
        return path.parent
    if (path / INDEX).is_file():
        return path
    if path.exists() or path.name != argument:
        return None
    found = [folder for folder in _experiments(below) if folder.name == argument]
    if len(found) > 1:
        raise UserError(f"{argument}: experiments of that name are {' and '.join(map(str, found))}: name one of these")
    return found[0] if found else None


def hint(argument: str, below: Path) -> str:
    """Words to follow `an experiment` in an error: the ones that may have been meant; empty where there are none."""
    known = {folder.name for folder in _experiments(below)}
    return f" in {below} ({did_you_mean(argument, known)})" if known else ""


def _of_file(path: Path) -> Path:
    values = read_mapping(path, "name: my-experiment")
    name, output = values.get("name"), values.get("output") or OUTPUT
    if not isinstance(name, str) or not isinstance(output, str):
        raise UserError(f"{path} is no file of an experiment: that has a 'name' and an 'output'")
    folder = experiment_folder(Path(beside(path.parent, output)), name)
    if not (folder / INDEX).is_file():
        raise UserError(
            f"{path}: the experiment {name} was not started, there is no {folder / INDEX}: xrobust sweep {path}"
        )
    return folder


def _experiments(below: Path) -> list[Path]:
    """The folders of all experiments whose output is the folder `below`, or one in it; each once."""
    indices = [*below.glob(f"{EXPERIMENTS}/*/{INDEX}"), *below.glob(f"*/{EXPERIMENTS}/*/{INDEX}")]
    return list({os.path.realpath(index): index.parent for index in sorted(indices)}.values())
