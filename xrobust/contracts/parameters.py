"""Parameters of a plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model


class Parameters(BaseModel):
    """Base of the parameters of a method or perturbation: validated, and unknown names refused.

    Give every field a `Field(description=...)`. A path to a file belongs in a field with `exclude=True`, returned by
    `files` of the plugin: then the file's content, not its place, becomes part of the run's identity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def plain_values(params: BaseModel) -> dict[str, Any]:
    """Parameters as JSON values, those with `exclude=True` left out.

    A set becomes a sorted list: its own order is another in each process.
    """
    values = params.model_dump(mode="json")
    sets = {name: value for name in values if _holds_set(value := getattr(params, name, None))}
    return values | {name: plain_value(value) for name, value in sets.items()}


def _holds_set(value: Any) -> bool:
    return isinstance(value, set | frozenset) or any(map(_holds_set, _parts(value)))


def _parts(value: Any) -> list[Any]:
    """The values directly inside a value."""
    if isinstance(value, BaseModel):
        return list(dict(value).values())
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def plain_value(value: Any) -> Any:
    """A value as JSON values, with each set in it sorted by the JSON of its elements."""
    if isinstance(value, BaseModel):
        return plain_values(value)
    if isinstance(value, Mapping):
        return {_plain(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(plain_value, value), key=partial(json.dumps, sort_keys=True, ensure_ascii=False))
    return _plain(value)


def _plain(value: Any) -> Any:
    return _anything().dump_python(value, mode="json")


@cache
def _anything() -> TypeAdapter[Any]:
    return TypeAdapter(Any)


def default_problem(params: type[BaseModel]) -> str | None:
    """The first default that its field would refuse if a user gave it, in a few words, or None."""
    problem = _problem(params, {})
    return None if problem is None else f"the default of its parameter {problem}"


def values_problem(params: type[BaseModel], values: Mapping[str, Any]) -> str | None:
    """The first of some values that is no parameter, or that its field refuses, in a few words, or None."""
    if unknown := sorted(values.keys() - params.model_fields.keys()):
        return f"there is no parameter {unknown[0]!r}"
    return _problem(params, values)


def _problem(params: type[BaseModel], values: Mapping[str, Any]) -> str | None:
    """Only fields are looked at: pydantic leaves defaults unchecked, and a plugin's validators may load much."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in params.model_fields.items()
        if name in values or not field.is_required()
    }
    config = ConfigDict(validate_default=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    try:
        create_model("Fields", __config__=config, **fields)(**values)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"][0].lower() + first["msg"][1:]
        return f"{str(first['loc'][0])!r} is {first['input']!r}: {message}"
    return None
