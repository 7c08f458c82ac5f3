"""The parameters of several plugins at once: `--set method.rank=8`, `--set perturb.typos.rate=0.2`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from xrobust.config.values import FileText, Typed
from xrobust.errors import UserError, did_you_mean, shown


def split_parameters(params: Mapping[str, Any], classes: Mapping[str, type], section: str) -> dict[str, dict[str, Any]]:
    """Sorts parameters to the parts that have them.

    `params` is {parameter: value} or {part: {parameter: value}}; `classes` are the parts by name, each with its
    `Params`; `section` is what the settings' names begin with. A path from a settings file becomes one as seen from
    here, and a value from the command line what its parameter takes. Raises UserError for a parameter that no part has,
    or that several have.
    """
    sorted_params: dict[str, dict[str, Any]] = {name: {} for name in classes}
    fields = {name: cls.Params.model_fields for name, cls in classes.items()}  # type: ignore[attr-defined]
    for key, value in params.items():
        if key in classes and isinstance(value, Mapping):
            if value and not fields[key]:
                raise UserError(f"unknown setting '{section}.{key}.{next(iter(value))}': {key} has no parameters")
            sorted_params[key].update({name: _from_here(v, fields[key].get(name)) for name, v in value.items()})
            continue
        if key in classes:
            raise UserError(f"setting '{section}.{key}' is {shown(value)}: write {section}.{key}.PARAMETER=VALUE")
        owners = [name for name in classes if key in fields[name]]
        if len(owners) > 1:
            spellings = " or ".join(f"{section}.{name}.{key}" for name in owners)
            raise UserError(f"setting '{section}.{key}' belongs to {' and '.join(owners)}: write {spellings}")
        if not owners:
            known = {field for names in fields.values() for field in names}
            parts = "+".join(classes)
            if not known:
                raise UserError(f"unknown setting '{section}.{key}': {parts} has no parameters")
            raise UserError(f"unknown setting '{section}.{key}' of {parts}: {did_you_mean(key, known)}")
        sorted_params[owners[0]][key] = _from_here(value, fields[owners[0]][key])
    return sorted_params


def _from_here(value: Any, field: Any) -> Any:
    """A value of a field (None: there is none of that name) without `FileText`, paths as seen from here, and without
    `Typed`."""
    if isinstance(value, Typed):
        return value.value if field is None else value.fitting(field.annotation, field.metadata)
    if isinstance(value, FileText):
        return value.path if field is not None and _holds_paths(field.annotation) else str(value)
    if isinstance(value, Mapping):
        return {key: _from_here(item, field) for key, item in value.items()}
    return [_from_here(item, field) for item in value] if isinstance(value, list) else value


def _holds_paths(annotation: Any) -> bool:
    """True for Path, and for what is made of it: `Path | None`, `list[Path]`."""
    return annotation is Path or any(map(_holds_paths, get_args(annotation)))
