"""An example: one row of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

Example = Mapping[str, Any]
"""One row in canonical columns: `id` and those of its kind (`text`, `text_pair`, `label`; or `tokens`, `tags`)."""
IGNORED = -100
"""Label of a position that carries none; the value that torch's cross entropy leaves out by default."""
PLAIN = {str, int, float, bool, type(None)}
"""Types of values that nobody can change in place."""


def copied(example: Example) -> dict[str, Any]:
    """A copy of an example down to its lists, for code that might change it in place: a plugin's, for instance."""
    return {column: copied_value(value) for column, value in example.items()}


def copied_value(value: Any) -> Any:
    """A copy of one value of an example: its lists and dicts are new, whatever else is in it is the same."""
    if isinstance(value, str):  # most are
        return value
    if isinstance(value, list):
        if PLAIN.issuperset(map(type, value)):
            return value.copy()
        return [copied_value(one) for one in value]
    if isinstance(value, tuple):
        return tuple(copied_value(one) for one in value)
    return copied(value) if isinstance(value, dict) else value


class Copies(Sequence[Example]):
    """A sequence of examples that are copied when they are asked for: what a plugin does to them reaches nobody."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Example]:
        return map(copied, self._examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        found = self._examples[index]
        return copied(found) if isinstance(found, Mapping) else [copied(example) for example in found]
