"""pydantic's complaints as one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from xrobust.errors import UserError, cut, did_you_mean, shown

Model = TypeVar("Model", bound=BaseModel)


def validated(cls: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`cls(**values)`, with pydantic's complaint as one line. `where` is the prefix of the keys in messages."""
    try:
        return cls(**{str(key): value for key, value in values.items()})  # YAML has keys that are numbers
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(part for part in (where, *(cut(str(part)) for part in first["loc"])) if part)
        if first["type"] == "extra_forbidden":
            known = list(_model_at(cls, first["loc"][:-1]).model_fields)
            raise UserError(f"unknown setting {key!r}: {did_you_mean(str(first['loc'][-1]), known)}") from error
        if first["type"] == "missing":
            raise UserError(f"setting {key!r} is missing") from error
        expected = {
            "tuple_type": "a list is expected, as in [a, b]",
            "dict_type": "names with values are expected: {name: value}",
            "path_type": "a path is expected",
            "model_type": "names with values are expected: {name: value}",
        }
        message = expected.get(first["type"], first["msg"].removeprefix("Value error, "))
        message = message[0].lower() + message[1:]
        if first["type"] == "string_type" and isinstance(first["input"], bool):
            message += " (YAML takes no, off, yes and on for false and true: put it in quotes)"
        raise UserError(f"setting {key!r} is {shown(first['input'])}: {message}") from error


def _model_at(cls: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model whose fields stand at a place in the values of another: of the setting `robustness`, its own."""
    for name in place:
        field = cls.model_fields.get(str(name))
        inside = () if field is None else (field.annotation, *get_args(field.annotation))  # of a list, or one or None
        cls = next((one for one in inside if isinstance(one, type) and issubclass(one, BaseModel)), cls)
    return cls
