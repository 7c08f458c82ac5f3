"""Checks the values of a search space: each setting at its ends, for each method that has it, before any trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.config.composition import compose, over_method_defaults
from xrobust.config.training_settings import TrainingSettings
from xrobust.errors import UserError
from xrobust.experiments.planned_cell import PlannedCell
from xrobust.experiments.search_space import Dimension, dimensions_of, with_settings
from xrobust.registry.plugins import Plugins


def check_space(cells: Sequence[PlannedCell], space: Sequence[Dimension]) -> None:
    """Raises UserError for a value of the space that a method or the training refuses."""
    for planned in cells:
        for dimension in dimensions_of(planned.parameters, space):
            if dimension.whole and any(value != int(value) for value in dimension.ends() if isinstance(value, float)):
                raise UserError(f"tune.space, {dimension.setting}: it takes whole numbers only")
            for value in dimension.ends():
                try:
                    _check(with_settings(planned.cell.values, {dimension.setting: value}))
                except UserError as error:
                    raise UserError(f"tune.space, {dimension.setting}: {planned.cell.place}: {error}") from error


def _check(values: Mapping[str, Any]) -> None:
    plugins = Plugins([Path(file) for file in values.get("plugins", ())])
    task = plugins.task(values["task"])
    methods = compose(values["method"], values.get("method_params", {}), task, plugins)
    TrainingSettings.resolve(task.recipe, over_method_defaults(methods, task, values.get("training", {})))
