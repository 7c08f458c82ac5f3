"""A cell of an experiment with its runs planned: ids and folders of all seeds from one plan, kept while files stay."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from xrobust.config.parameters import split_parameters
from xrobust.config.resolved_spec import run_id
from xrobust.config.run_spec import RunSpec
from xrobust.errors import OutOfReach, UserError
from xrobust.experiments.cells import Cell
from xrobust.experiments.search_space import is_whole
from xrobust.registry import bundles
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult
from xrobust.storage.file_memo import cached_with_files
from xrobust.storage.hashing import canonical_json

if TYPE_CHECKING:
    from xrobust.plan import RunPlan

MOST_FILES = 5000
"""Files of a folder with data from which plans of its cells are made anew at each start."""
OWN_PACKAGES = ("xrobust", "xrobust_tasks", "xrobust_methods")


@dataclass(frozen=True)
class PlannedCell:
    """A cell with what planning one of its runs found out about all of them."""

    cell: Cell
    spec: dict[str, Any]
    """Settings of its runs as a `--config` file holds them anywhere, without `seed`."""
    train: dict[str, Any]
    """Resolved training spec of a run, whose `seed` alone is another in the others."""
    parent: Path
    """Folder that holds the folders of the runs."""
    steps: int | None
    """Optimiser steps of a run; None where a method has to augment the training set before they are known."""
    parameters: dict[str, dict[str, bool]]
    """Part of the method -> name of a parameter -> True where it takes whole numbers only."""
    asked: str
    """sha256 of all that decides which scores a run is to have."""

    @property
    def batch_size(self) -> int:
        """Examples per optimiser step."""
        return int(self.train["training"]["batch_size"])

    def run_id(self, seed: int) -> str:
        """The run id of a seed."""
        return run_id({**self.train, "seed": seed})

    def folder(self, seed: int) -> Path:
        """The folder of a run."""
        return self.parent / self.run_id(seed)

    def finished(self, seed: int) -> RunResult | None:
        """The document of a run, if it is complete with all scores that are asked for. Raises UserError for a damaged
        one."""
        result = RunFolder(self.folder(seed)).result()
        if result is None or result.status != "complete":
            return None
        evaluation = self._plan.evaluation
        return None if evaluation.left(result) or not evaluation.averages_fit(result) else result

    @cached_property
    def _plan(self) -> RunPlan:
        return _planned(self.cell)


def plan_cell(cell: Cell) -> PlannedCell:
    """Plans a run of a cell: all checks are made, nothing is written. Raises UserError, which names the cell.

    The outcome is taken from the cache where neither data, model, plugin files nor code have changed since.
    """
    made: list[RunPlan] = []

    def find() -> tuple[dict[str, Any], Sequence[Path]]:
        made.append(_planned(cell))
        return _facts(made[0]), _files(made[0])

    what = {"planned cell": 2, "values": _plain(cell.values), "python": sys.version, "folder": str(Path.cwd())}
    facts = cached_with_files(what, find, _checked_facts)
    planned = PlannedCell(cell=cell, **{**facts, "parent": Path(facts["parent"])})
    if made:
        planned.__dict__["_plan"] = made[0]
    return planned


def _planned(cell: Cell) -> RunPlan:
    """The plan of a run of a cell. Raises UserError, and PluginError where a plugin fails at a test set."""
    from xrobust.plan import make_plan  # torch: not before it is needed

    seed = cell.seeds[0] if cell.seeds else 0
    try:
        plan = make_plan(RunSpec.parse({**cell.values, "seed": seed}))
    except OutOfReach:
        raise
    except UserError as error:
        raise UserError(f"{cell.place}: {error}") from error
    if plan.evaluation.failures:
        raise plan.evaluation.failures[0]
    return plan


def _facts(plan: RunPlan) -> dict[str, Any]:
    """The facts of a plan that all runs of its cell share, as JSON values."""
    return {
        "spec": portable_spec(plan),
        "train": plan.spec.train.model_dump(mode="json"),
        "parent": str(plan.folder.parent),
        "steps": _steps(plan),
        "parameters": {method.info.name: _parameters(type(method).Params) for method in plan.methods},
        "asked": hashlib.sha256(canonical_json(_asked(plan)).encode()).hexdigest(),
    }


def _parameters(params: type[BaseModel]) -> dict[str, bool]:
    return {name: is_whole(field.annotation) for name, field in params.model_fields.items()}


def _checked_facts(value: Any) -> dict[str, Any]:
    """Cached facts. Raises LookupError or TypeError where they are damaged."""
    return {key: value[key] for key in ("spec", "train", "parent", "steps", "parameters", "asked")}


def portable_spec(plan: RunPlan) -> dict[str, Any]:
    """The settings of a plan's request that are not at their defaults, as JSON values with absolute paths; no seed."""
    from xrobust.models.files import folder_of

    request = plan.request
    values = request.model_dump(mode="json", exclude_defaults=True, exclude={"seed", "method_params", "perturb_params"})
    values["output"] = str(request.output.absolute())
    if request.data_dir is not None and bundles.find_asset("data", str(request.data_dir)) is None:
        values["data_dir"] = str(request.data_dir.absolute())
    if bundles.find_asset("models", request.model) is None and (model := folder_of(request.model)) is not None:
        values["model"] = str(model)
    if request.plugins:
        values["plugins"] = [str(path.absolute()) for path in request.plugins]
    methods = {method.info.name: type(method) for method in plan.methods}
    for key, classes, section in (
        ("method_params", methods, "method"),
        ("perturb_params", _perturbations(plan), "perturb"),
    ):
        given = dict(getattr(request, key))
        seeds = {"seed": given.pop("seed")} if section == "perturb" and "seed" in given else {}
        parts = {part: its for part, its in split_parameters(given, classes, section).items() if its}
        if parts or seeds:
            values[key] = {**seeds, **_plain(parts)}
    return values


def _plain(value: Any) -> Any:
    """A value as JSON values."""
    return TypeAdapter(Any).dump_python(value, mode="json")


def _steps(plan: RunPlan) -> int | None:
    from xrobust.training.job import total_steps

    settings = plan.spec.train.training
    if settings.max_steps is None and any("augment" in method.stages() for method in plan.methods):
        return None
    return total_steps(len(plan.train), settings)


def _asked(plan: RunPlan) -> dict[str, Any]:
    """All that `EvaluationPlan.left` and `averages_fit` look at."""
    keys = {
        f"{one.clean.under.name} {condition.keys}": getattr(condition, "key", "")
        for one in plan.evaluation.languages
        for condition in one.conditions
    }
    return {
        "evaluation": plan.evaluation.spec.model_dump(mode="json"),
        "rows": [rows.model_dump(mode="json") for rows in plan.used],
        "keys": keys,
    }


def _files(plan: RunPlan) -> list[Path]:
    """The files that a plan depends on; none where they cannot all be named, as with data or a model of the hub."""
    from xrobust.data.sources import data_folder
    from xrobust.models.files import folder_of

    data, model = data_folder(plan.request.data_dir), folder_of(plan.request.model)
    if data is None or model is None:
        return []
    files = [*_files_below(data), model, *model.iterdir(), *plan.request.plugins]
    files += [path for paths in plan.files.values() for path in paths.values()]
    names = {type(plan.task).__module__, *(type(method).__module__ for method in plan.methods)}
    names |= {cls.__module__ for cls in _perturbations(plan).values()}
    tops = sorted({name.partition(".")[0] for name in names} | set(OWN_PACKAGES))
    files += [path for top in tops for path in _source_files(top)]
    return [] if len(files) > MOST_FILES else list(dict.fromkeys(files))


def _perturbations(plan: RunPlan) -> dict[str, type]:
    names = [one.name for one in plan.spec.evaluation.perturbations]
    return {name.rpartition("/")[2]: plan.plugins.load("perturbations", name) for name in names}


def _files_below(folder: Path) -> list[Path]:
    """The files and folders of a folder with data: those in it, and those one level deeper."""
    found = [folder]
    for path in sorted(folder.iterdir()):
        found.append(path)
        if path.is_dir():
            found += sorted(path.iterdir())
    return found


@cache
def _source_files(package: str) -> tuple[Path, ...]:
    """The Python files of an installed package or module; none for a plugin file, which goes by its own name."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    single = [Path(spec.origin)] if spec.origin and not folders else []
    return (*single, *(path for folder in folders for path in sorted(folder.rglob("*.py"))))
