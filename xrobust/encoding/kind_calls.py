"""Calls into a kind of task, which may be a plugin's: copies go in, and what comes out is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from xrobust.contracts.calling import blamed, calling, said_by
from xrobust.contracts.example import IGNORED, Example, copied
from xrobust.contracts.kind import Kind
from xrobust.errors import shown

if TYPE_CHECKING:
    from xrobust.contracts.encoded import Encoded


def problem_of(kind: Kind, example: Example, where: str = "") -> str | None:
    """`kind.problem` of a copy. Raises PluginError where it raises, or gives back what is no text."""
    with calling(kind, "problem", where):
        return said_by(kind, "problem", where, kind.problem(copied(example)))


def tokenizer_state(tokenizer: Any) -> tuple[Any, ...]:
    """The size, limit, sides and special tokens of a tokenizer: what its methods change in place."""
    sides = tokenizer.truncation_side, tokenizer.padding_side
    return len(tokenizer), tokenizer.model_max_length, sides, dict(tokenizer.special_tokens_map)


def encoded_by(
    kind: Kind, examples: Iterable[Example], tokenizer: Any, max_length: int, state: tuple[Any, ...] | None = None
) -> tuple[Encoded, int]:
    """`kind.encode` of copies, and the number of examples. The arrays are read-only.

    `state` is the `tokenizer_state` that the tokenizer must have, by default that of now. Raises PluginError, which
    names the example if one can be told, where it raises, leaves examples out, gives arrays that do not fit together,
    gives labels or pieces that there are none of, or changes the tokenizer.
    """
    state = state or tokenizer_state(tokenizer)
    taken = _Taken(examples)
    call = calling(kind, "encode", unless=lambda error: error is taken.error)
    with call:
        try:
            encoded = kind.encode(map(copied, taken), tokenizer, max_length)
        finally:
            call.where = taken.where
    if next(taken, None) is not None:
        raise blamed(kind, "encode", "", f"it took {taken.count - 1} examples, and there are more")
    problem = _misfit(encoded, taken.count) or _out_of_range(encoded, kind, tokenizer)
    if problem is None and tokenizer_state(tokenizer) != state:
        problem = "it changed the tokenizer, which is the model's: change a copy of it"
    if problem is not None:
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


def _out_of_range(encoded: Encoded, kind: Kind, tokenizer: Any) -> str | None:
    """Reason that an encoding has labels outside the model's outputs, or pieces outside its vocabulary, or None."""
    labels = encoded.labels[encoded.labels != IGNORED]
    outputs = max(len(kind.labels), kind.num_outputs)
    if len(labels) and not 0 <= labels.min() <= labels.max() < outputs:
        wrong = labels[(labels < 0) | (labels >= outputs)][0]
        return f"it gives label {wrong}; 0 to {outputs - 1}, or IGNORED, are expected"
    pieces = encoded.input_ids
    if len(pieces) and not 0 <= pieces.min() <= pieces.max() < len(tokenizer):
        largest = max(tokenizer.get_vocab().values())  # ids may have gaps
        wrong = pieces[(pieces < 0) | (pieces > largest)]
        return f"it gives input id {wrong[0]}; 0 to {largest} are expected" if len(wrong) else None
    return None
