"""Tokenised examples: the output of a `Kind`, and the input of the engine, which batches it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xrobust.contracts.example import IGNORED


@dataclass(frozen=True)
class Encoded:
    """Model inputs of many items in flat arrays, so that a million short sequences are five objects, not a million.

    The arrays may be memory-mapped files that are read-only (`xrobust.encoding.files`).

    An item is the unit of one output row of the model: usually a sentence or a pair; one of several windows of an
    over-long tagged sentence; or all choices of a multiple-choice example (`group` sequences).
    """

    input_ids: np.ndarray
    """int32 (pieces,): all sequences, one after the other, special tokens included."""
    offsets: np.ndarray
    """int64 (sequences + 1,): where each sequence starts."""
    token_types: np.ndarray | None
    """int8 (pieces,), or None where the tokenizer gives none."""
    special: np.ndarray
    """bool (pieces,): True at special tokens."""
    labels: np.ndarray
    """int64 (items,) for one label an item; int16 (pieces,) for tagging, IGNORED off the first piece of a word."""
    example: np.ndarray
    """int64 (items,): index of the example that each item comes from."""
    per_token: bool
    """True for tagging: labels belong to pieces."""
    group: int = 1
    """Sequences per item."""
    cut: np.ndarray | None = None
    """int32 (items,): word pieces that `max_length` cut away from each item, or None from a kind that does not count
    them."""

    def __len__(self) -> int:
        return len(self.example)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 (items,): pieces of the longest sequence of each item."""
        return np.diff(self.offsets).reshape(-1, self.group).max(axis=1)

    @cached_property
    def labelled(self) -> np.ndarray:
        """int64 (items,): labels per item. One, or for tagging the number of words in it."""
        if not self.per_token:
            return np.ones(len(self), dtype=np.int64)
        (places,) = np.nonzero(self.labels != IGNORED)
        return np.diff(np.searchsorted(places, self.offsets))

    def pieces(self, items: np.ndarray) -> int:
        """Word pieces of `items` (items,) over all their sequences: special tokens included, padding not."""
        return int((self.offsets[(items + 1) * self.group] - self.offsets[items * self.group]).sum())

    def collate(self, items: Sequence[int], pad_id: int) -> dict[str, np.ndarray]:
        """A padded batch of `items`, to the longest of them.

        Returns `input_ids`, `attention_mask`, `labels`, `noise_mask` (1 at ordinary tokens, 0 at padding and special
        ones) and `token_type_ids` where the model takes them: int64 (items, length), or (items, group, length) for
        multiple choice; `noise_mask` stays (items * group, length), the shape that the embedding layer sees.
        """
        rows = [item * self.group + k for item in items for k in range(self.group)]
        spans = [(int(self.offsets[r]), int(self.offsets[r + 1])) for r in rows]
        shape = (len(rows), max(end - start for start, end in spans))
        batch: dict[str, np.ndarray] = {
            "input_ids": np.full(shape, pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "noise_mask": np.zeros(shape, dtype=np.int64),
        }
        if self.token_types is not None:
            batch["token_type_ids"] = np.zeros(shape, dtype=np.int64)
        if self.per_token:
            batch["labels"] = np.full(shape, IGNORED, dtype=np.int64)
        for row, (start, end) in enumerate(spans):
            width = end - start
            batch["input_ids"][row, :width] = self.input_ids[start:end]
            batch["attention_mask"][row, :width] = 1
            batch["noise_mask"][row, :width] = ~self.special[start:end]
            if self.token_types is not None:
                batch["token_type_ids"][row, :width] = self.token_types[start:end]
            if self.per_token:
                batch["labels"][row, :width] = self.labels[start:end]
        if not self.per_token:
            batch["labels"] = self.labels[list(items)]
        if self.group > 1:
            for name in ("input_ids", "attention_mask", "token_type_ids"):
                if name in batch:
                    batch[name] = batch[name].reshape(len(items), self.group, -1)
        return batch


class EncodedBuilder:
    """Collects sequences, one by one or many at a time, and freezes them into an `Encoded`."""

    def __init__(self, *, token_types: bool, per_token: bool, group: int = 1) -> None:
        self._ids = array("i")
        self._offsets = array("q", [0])
        self._types = array("b") if token_types else None
        self._special = array("b")
        self._labels = array("h" if per_token else "q")
        self._example = array("q")
        self._cut = array("i")
        self._per_token = per_token
        self._group = group

    def sequence(self, ids: Sequence[int], special: Sequence[int], types: Sequence[int] | None) -> None:
        """Adds one sequence: ids, 1 at special tokens, and token types where the tokenizer gives them."""
        self._ids.extend(ids)
        self._special.extend(special)
        if self._types is not None:
            self._types.extend(types if types is not None else [0] * len(ids))
        self._offsets.append(len(self._ids))

    def sequences(self, ids: np.ndarray, special: np.ndarray, types: np.ndarray | None, lengths: np.ndarray) -> None:
        """Adds many sequences in flat arrays: int32 ids, bool special tokens, int8 types (None: all 0), and int64
        (sequences,)."""
        ends = self._offsets[-1] + np.cumsum(lengths)
        self._ids.frombytes(ids.tobytes())
        self._special.frombytes(special.tobytes())
        if self._types is not None:
            self._types.frombytes(bytes(len(ids)) if types is None else types.tobytes())
        self._offsets.frombytes(ends.tobytes())

    def item(self, example: int, labels: Sequence[int], cut: int | None = None) -> None:
        """Closes an item: its example's index, its label, or for tagging one label for each piece, and the number of
        word pieces that were cut away from it.

        Raises OverflowError for a tag set of more than 32,768.
        """
        self._example.append(example)
        self._labels.extend(labels)
        if cut is not None:
            self._cut.append(cut)

    def items(self, examples: np.ndarray, labels: np.ndarray, cut: np.ndarray | None = None) -> None:
        """Closes many items: int64 (items,), int64 labels, one an item, or for tagging one a piece, and the number of
        word pieces that were cut away from each, int (items,).

        Raises OverflowError for a tag set of more than 32,768.
        """
        stored = labels.astype(self._labels.typecode)
        if not np.array_equal(stored, labels):
            raise OverflowError(f"label {int(labels.max())}: a tag set may have {2**15:,} tags")
        self._example.frombytes(examples.astype(np.int64).tobytes())
        self._labels.frombytes(stored.tobytes())
        if cut is not None:
            self._cut.frombytes(cut.astype(np.int32).tobytes())

    def build(self) -> Encoded:
        """The frozen arrays, which share their memory with the builder: nothing can be added after.

        `cut` is None unless it was given for every item.
        """
        return Encoded(
            input_ids=np.asarray(self._ids),
            offsets=np.asarray(self._offsets),
            token_types=None if self._types is None else np.asarray(self._types),
            special=np.asarray(self._special).view(bool),
            labels=np.asarray(self._labels),
            example=np.asarray(self._example),
            per_token=self._per_token,
            group=self._group,
            cut=np.asarray(self._cut) if len(self._cut) == len(self._example) else None,
        )
