"""Examples that a method's `augment` returned: each is checked and copied when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from xrobust.contracts import Example, Kind, Method
from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.example import copied, copied_value
from xrobust.errors import PluginError, shown

SAMPLE = 8
"""Examples that are read twice, at least, to see that they stay what they are."""


class Augmented(Sequence[Example]):
    """A sequence of valid examples: copies of those that a method gives, made as they are asked for."""

    def __init__(self, method: Method, examples: Any, kind: Kind, columns: Collection[str], epoch: int) -> None:
        """
        Args:
            examples: what `augment` returned.
            columns: those that each example needs beside `id`.
            epoch: number of the epoch, from 0.

        Raises PluginError where `examples` is no sequence.
        """
        self._method = method
        self._kind = kind
        self._columns = columns
        self._place = f"epoch {epoch + 1}"
        with calling(method, "augment", self._place):
            self._require_sequence(examples)
            self._length = len(examples)
        self._examples = examples

    def _require_sequence(self, examples: Any) -> None:
        made = type(examples)
        sized = hasattr(made, "__len__") and hasattr(made, "__getitem__")
        if not sized or isinstance(examples, str | bytes | Mapping):
            what = "None" if examples is None else f"a {made.__name__}"
            raise self._blamed(self._place, f"it returned {what}, not a sequence with __len__ and __getitem__")

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """Raises PluginError for an example that cannot be made or trained on, IndexError where there is none."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        row = index + self._length if index < 0 else index
        if not 0 <= row < self._length:
            raise IndexError(f"example {index} of {self._length}")
        return copied(self._valid(row))

    def _valid(self, row: int) -> Example:
        place = f"{self._place}, example {row}"
        with calling(self._method, "augment", place):
            example: Example = self._examples[row]
            problem = self._problem(example)
            if problem is None:
                return example
            name = f" (id {example.get('id')})" if isinstance(example, Mapping) else ""
            raise self._blamed(place + name, problem)

    def _problem(self, example: Any) -> str | None:
        """Reason that an example cannot be trained on, in a few words, or None."""
        if not isinstance(example, Mapping):
            return f"it is a {type(example).__name__}, not a mapping of columns"
        if not isinstance(example.get("id"), str) or not example["id"]:
            return f"its id is {example.get('id')!r}; a string that is not empty is expected"
        for column in self._columns:
            if column not in example:
                return f"no {column!r}"
            if column in self._kind.text_columns and not isinstance(example[column], str | list | tuple):
                return f"{column!r} is {shown(example[column])}; text is expected"
        return self._kind.problem(example)

    def unique(self) -> Iterator[Example]:
        """The examples in order, not copied.

        Raises PluginError where an example is another when it is read again (a few are), and, after the last, where two
        have one id.
        """
        for row in range(0, self._length, max(1, self._length // SAMPLE)):
            if self._trained_on(row) != self._trained_on(row):
                raise self._changing(row)
        hashes = np.empty(self._length, dtype=np.int64)  # not the ids: there may be millions, made as they are needed
        for row in range(self._length):
            example = self._valid(row)
            hashes[row] = hash(example["id"])
            yield example
        order = hashes.argsort(kind="stable")
        (same,) = np.nonzero(hashes[order[1:]] == hashes[order[:-1]])
        for second, first in sorted((int(order[i + 1]), int(order[i])) for i in same):
            ids = {row: self[row]["id"] for row in (first, second)}
            for row, name in ids.items():
                if hash(name) != hashes[row]:
                    raise self._changing(row)
            if ids[first] == ids[second]:
                place = f"{self._place}, example {second} (id {ids[second]})"
                raise self._blamed(place, f"example {first} has this id too: each needs one of its own")

    def _trained_on(self, row: int) -> dict[str, Any]:
        example = self._valid(row)
        return {column: copied_value(example[column]) for column in ("id", *self._columns)}

    def _changing(self, row: int) -> PluginError:
        problem = "it is another example each time that it is read: draw from ctx.rng, keyed by what makes the example"
        return self._blamed(f"{self._place}, example {row}", problem)

    def _blamed(self, place: str, problem: str) -> PluginError:
        return blamed(self._method, "augment", place, problem)
