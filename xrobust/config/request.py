"""Merges flags, `--set`, a `--config` file and a preset into the values of a `RunSpec`; flags win over the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.config.presets import over_preset
from xrobust.config.run_spec import RunSpec, check_values
from xrobust.config.values import Typed, assign, parse_assignment, read_yaml, resolve_paths


def request_values(
    config: Path | None, assignments: Sequence[str], flags: Mapping[str, Any], preset: str | None = None
) -> dict[str, Any]:
    """The values of a request: the preset's, then the file's, `--set`, and flags that were given (not None).

    Raises UserError.
    """
    values = read_config(config) if config is not None else {}
    for assignment in assignments:
        key, value = parse_assignment(assignment)
        if isinstance(value, Typed) and (field := RunSpec.model_fields.get(key)) is not None:
            value = value.fitting(field.annotation, field.metadata)
        assign(values, key, value)
    values.update({key: value for key, value in flags.items() if value is not None})
    if preset is not None:  # last, because it may hold settings for the task and the method that are asked for
        values = over_preset(preset, values, check_values)
    return values


def read_config(path: Path) -> dict[str, Any]:
    """Reads a YAML file with keys of `RunSpec`; `method: {name: rs_aug, copies: 3}` sets the method's parameters too.

    Raises UserError, which names the file.
    """
    values = read_yaml(path)
    check_values(values, path)
    return resolve_paths(values, path)
