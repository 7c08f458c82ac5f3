"""Calls into a kind of task, which may be a plugin's: copies go in, and what comes out is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from xrobust.contracts.calling import blamed, calling, said_by
from xrobust.contracts.example import Example, copied
from xrobust.contracts.kind import Kind
from xrobust.errors import shown

if TYPE_CHECKING:
    from xrobust.contracts.encoded import Encoded


def problem_of(kind: Kind, example: Example, where: str = "") -> str | None:
    """`kind.problem` of a copy. Raises PluginError where it raises, or gives back what is no text."""
    with calling(kind, "problem", where):
        return said_by(kind, "problem", where, kind.problem(copied(example)))


def encoded_by(kind: Kind, examples: Iterable[Example], tokenizer: Any, max_length: int) -> tuple[Encoded, int]:
    """`kind.encode` of copies, and the number of examples. The arrays are read-only.

    Raises PluginError, which names the example if one can be told, where it raises, leaves examples out, or gives
    arrays that do not fit together.
    """
    taken = _Taken(examples)
    call = calling(kind, "encode", unless=lambda error: error is taken.error)
    with call:
        try:
            encoded = kind.encode(map(copied, taken), tokenizer, max_length)
        finally:
            call.where = taken.where
    if next(taken, None) is not None:
        raise blamed(kind, "encode", "", f"it took {taken.count - 1} examples, and there are more")
    if (problem := _misfit(encoded, taken.count)) is not None:
        raise blamed(kind, "encode", "", problem)
    for array in vars(encoded).values():
        if hasattr(array, "flags"):
            array.flags.writeable = False  # as those are that come from the cache
    return encoded, taken.count


class _Taken(Iterator[Example]):
    """Iterator over examples that counts them and knows the last."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = iter(examples)
        self.count = 0
        self.error: Exception | None = None
        """Exception of the examples themselves, which is not the kind's."""
        self._last: Example | None = None

    def __next__(self) -> Example:
        try:
            self._last = next(self._examples)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise
        self.count += 1
        return self._last

    @property
    def where(self) -> str:
        """The last example that was taken: the one that failed, unless the kind takes several at a time."""
        return "" if self._last is None else f"example {self._last.get('id')} (the last of {self.count} that it took)"


def _misfit(encoded: object, examples: int) -> str | None:
    """Reason that an encoding is not one of so many examples, in a few words, or None."""
    import numpy as np

    from xrobust.contracts.encoded import Encoded

    if not isinstance(encoded, Encoded):
        return f"it gives a {type(encoded).__name__}; an Encoded, as EncodedBuilder makes it, is expected"
    items, sequences, pieces = len(encoded.example), len(encoded.offsets) - 1, len(encoded.input_ids)
    if sequences != items * encoded.group:
        return f"it gives {sequences} sequences in {items} items of {encoded.group}"
    found = np.unique(encoded.example)
    # In tagging a sentence without a token has no item.
    if not np.isin(found, np.arange(examples)).all() or (len(found) < examples and not encoded.per_token):
        return f"it gives items of {len(found)} examples, {shown(found.tolist())}, and there are {examples}"
    lengths = {"special": pieces, "token_types": pieces, "labels": pieces if encoded.per_token else items, "cut": items}
    for name, length in lengths.items():
        array = getattr(encoded, name)
        if array is not None and len(array) != length:
            return f"it gives {len(array)} values in {name!r}, and {length} are expected"
    return None
