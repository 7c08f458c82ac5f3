"""Pairs of texts, each text tokenised once, joined as the tokenizer itself would join them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import Any

import numpy as np

from xrobust.encoding.ranges import ranges
from xrobust.encoding.stream import text_chunks


@dataclass(frozen=True)
class Pieces:
    """Texts as word pieces without special tokens, in flat arrays. Picking and repeating texts copies no piece."""

    ids: np.ndarray
    """int32 (pieces,)."""
    starts: np.ndarray
    """int64 (texts,): where each text starts in `ids`."""
    lengths: np.ndarray
    """int64 (texts,): pieces of each text."""

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: Sequence[int] | np.ndarray) -> Pieces:
        """The texts at `rows`, in that order; a row may occur more than once."""
        index = np.asarray(rows, dtype=np.int64)
        return Pieces(self.ids, self.starts[index], self.lengths[index])


@dataclass(frozen=True)
class Joined:
    """Model inputs of many sequences in flat arrays, special tokens included."""

    ids: np.ndarray
    """int32 (pieces,)."""
    special: np.ndarray
    """bool (pieces,): True at the special tokens that joining added."""
    types: np.ndarray
    """int8 (pieces,): token types, whether or not the model takes them."""
    lengths: np.ndarray
    """int64 (sequences,)."""
    cut: np.ndarray
    """int64 (sequences,): pieces that were cut away from the texts."""


@dataclass(frozen=True)
class _Template:
    """Special tokens that the tokenizer puts around and between the texts of one sequence."""

    parts: tuple[tuple[int | None, int, int], ...]
    """Parts in order: (0 or 1, unused, type) for the text of that number, (None, id, type) for a special token."""

    @property
    def special(self) -> int:
        """Number of special tokens."""
        return sum(text is None for text, _, _ in self.parts)


class PairEncoder:
    """Equal to `tokenizer(firsts, seconds, truncation=True, max_length=max_length)`, the tokenising done beforehand.

    The tokenizer decides everything: where special tokens stand and what types there are is read off one pair that it
    encodes itself; how much of too long a pair is cut is asked of its post-processor (`Tokenizer.post_process` of the
    tokenizers library: truncation, then special tokens), once for each two lengths, since it depends on nothing else.
    It is asked for texts of at most `max_length` + 2 pieces, for it keeps every part that it cuts away of one text with
    every part of the other, in memory that grows with the product of their lengths.
    What is left is copying, which numpy does for thousands of pairs at a time. No post-processor of that library looks
    at the pieces themselves, and none lets one text change how the other is split, so the outcome is exact.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        """
        Args:
            tokenizer: a fast tokenizer of transformers.
            max_length: of a sequence, in word pieces with special tokens.
        """
        self.tokenizer = tokenizer
        self._max_length = max_length
        self._probe = ""
        """The first text with a piece, whose encoding shows how the tokenizer joins texts; empty until there is one."""
        self._templates: dict[tuple[str, bool], _Template] = {}
        self._kept: dict[tuple[int, ...], tuple[int, ...]] = {}

    def tokenise(self, texts: Iterable[str]) -> Pieces:
        """Each text given to the tokenizer once; `texts` may be a generator."""
        ids: list[np.ndarray] = []
        lengths: list[int] = []
        for chunk in text_chunks(texts):
            encodings = self.tokenizer(
                chunk,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,  # about texts that are too long: they are cut when they are joined
            )
            for text, pieces in zip(chunk, encodings["input_ids"], strict=True):
                lengths.append(len(pieces))
                self._probe = self._probe or (text if pieces else "")
            ids.append(np.fromiter(chain.from_iterable(encodings["input_ids"]), dtype=np.int32))
        counts = np.array(lengths, dtype=np.int64)
        return Pieces(np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32), np.cumsum(counts) - counts, counts)

    def join(self, first: Pieces, second: Pieces | None = None) -> Joined:
        """Joins text i of `first`, and text i of `second` if given, into sequence i.

        Both must come from this object's `tokenise`.
        """
        texts = (first,) if second is None else (first, second)
        template = self._template(pair=second is not None)
        starts, kept = self._cut(texts, template)
        content = np.sum(kept, axis=0)
        lengths = template.special + content
        total = int(lengths.sum())
        ids = np.empty(total, dtype=np.int32)
        special = np.ones(total, dtype=bool)
        types = np.empty(total, dtype=np.int8)
        position = np.cumsum(lengths) - lengths
        for text, piece, type_id in template.parts:
            if text is None:
                ids[position] = piece
                types[position] = type_id
                position = position + 1
            else:
                places = ranges(position, kept[text])
                ids[places] = texts[text].ids[ranges(starts[text], kept[text])]
                special[places] = False
                types[places] = type_id
                position = position + kept[text]
        return Joined(ids, special, types, lengths, np.sum([t.lengths for t in texts], axis=0) - content)

    def _cut(self, texts: Sequence[Pieces], template: _Template) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Start and number of the pieces that are kept of each text."""
        starts, kept = [t.starts.copy() for t in texts], [t.lengths.copy() for t in texts]
        (long,) = np.nonzero(np.sum(kept, axis=0) + template.special > self._max_length)
        if len(long):
            too_long = np.stack([lengths[long] for lengths in kept], axis=1)
            unique, which = np.unique(too_long, axis=0, return_inverse=True)
            left = np.array([self._kept_of(tuple(map(int, lengths)), template.special) for lengths in unique])
            for text in range(len(texts)):
                kept[text][long] = left[which.reshape(-1), text]
                if self.tokenizer.truncation_side == "left":
                    starts[text] += texts[text].lengths - kept[text]
        return starts, kept

    def _kept_of(self, lengths: tuple[int, ...], special: int) -> tuple[int, ...]:
        """Number of pieces that the tokenizer keeps of texts of these lengths."""
        lengths = self._shortened(lengths)
        if lengths not in self._kept:
            cut = self._cutter.post_process(*map(_sample, lengths))
            pieces = len(cut.ids) - special
            # The library loses track of the first text where both were encoded alone, never of the second.
            second = cut.sequence_ids.count(1)
            self._kept[lengths] = (pieces - second, second)[: len(lengths)]
        return self._kept[lengths]

    def _shortened(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """The least lengths of which as much is kept as of these.

        `longest_first` asks of a length only whether there is room for it at all and which of the two is the longer.
        """
        beyond = self._max_length + 1
        if min(lengths) >= beyond:
            return tuple(beyond + (length > min(lengths)) for length in lengths)
        return tuple(min(length, beyond) for length in lengths)

    @cached_property
    def _cutter(self) -> Any:
        """A tokenizer that only cuts and joins, as the given one does: the given one may be tokenising meanwhile."""
        from tokenizers import Tokenizer, models

        cutter = Tokenizer(models.WordLevel({}, unk_token=""))
        if (processor := self.tokenizer.backend_tokenizer.post_processor) is not None:
            cutter.post_processor = processor
        cutter.enable_truncation(
            self._max_length, stride=0, strategy="longest_first", direction=self.tokenizer.truncation_side
        )
        return cutter

    def _template(self, *, pair: bool) -> _Template:
        key = self._probe, pair
        if key not in self._templates:
            text = [self._probe]
            encoding = self.tokenizer(text, text if pair else None, verbose=False).encodings[0]
            parts: list[tuple[int | None, int, int]] = []
            for number, piece, type_id in zip(encoding.sequence_ids, encoding.ids, encoding.type_ids, strict=True):
                if number is None or number not in {other for other, _, _ in parts}:
                    parts.append((number, piece, type_id))
            self._templates[key] = _Template(tuple(parts))
        return self._templates[key]


@cache
def _sample(pieces: int) -> Any:
    """An encoding of so many pieces, as a tokenizer gives it to its post-processor."""
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).encode(["a"] * pieces, is_pretokenized=True)
