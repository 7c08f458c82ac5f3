"""An example: one row of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Example = Mapping[str, Any]
"""One row in canonical columns: `id` and those of its kind (`text`, `text_pair`, `label`; or `tokens`, `tags`)."""
IGNORED = -100
"""Label of a position that carries none; the value that torch's cross entropy leaves out by default."""


def copied(example: Example) -> dict[str, Any]:
    """A copy of an example down to its lists, for code that might change it in place: a plugin's, for instance."""
    return {column: _copied(value) for column, value in example.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(one) if isinstance(one, list | dict) else one for one in value]
    return copied(value) if isinstance(value, dict) else value
