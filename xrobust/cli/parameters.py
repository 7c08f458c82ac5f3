"""A plugin's parameters as a person reads them, from its pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

BOUNDS = {
    "exclusiveMinimum": "> {}",
    "minimum": ">= {}",
    "exclusiveMaximum": "< {}",
    "maximum": "<= {}",
    "multipleOf": "multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
"""Keys of JSON Schema that limit a value -> their wording in the table."""


def parameters(model: type[BaseModel]) -> list[tuple[str, str, str, str, str]]:
    """Name, type, default, bounds and description of each field, in the order they are defined in."""
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        kind, bounds = _describe(schema["properties"][field.alias or name], schema.get("$defs", {}))
        default = "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
        rows.append((name, kind, default, ", ".join(bounds), " ".join((field.description or "").split())))
    return rows


def _describe(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The type of a JSON Schema in a few words, and its bounds."""
    if "$ref" in schema:
        return _describe(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        described = [_describe(alternative, definitions) for alternative in alternatives]
        kinds = dict.fromkeys(kind for kind, _ in described)
        return " | ".join(kinds), [bound for _, bounds in described for bound in bounds]
    bounds = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
    if "enum" in schema or "const" in schema:
        return " | ".join(_value(choice) for choice in schema.get("enum", [schema.get("const")])), bounds
    kind = schema.get("format") or schema.get("type", "any")
    if kind == "array" and "items" in schema:
        item, item_bounds = _describe(schema["items"], definitions)
        return f"list of {item}", bounds + item_bounds
    return kind, bounds


def _value(value: Any) -> str:
    """A value as `--set` takes it."""
    from pydantic import TypeAdapter

    from xrobust.contracts.parameters import plain_value

    return value if isinstance(value, str) and value else TypeAdapter(Any).dump_json(plain_value(value)).decode()
