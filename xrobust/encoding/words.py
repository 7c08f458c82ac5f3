"""Sentences that come split into words: each word tokenised once, put together in windows of whole words."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from xrobust.contracts.example import IGNORED
from xrobust.encoding.ranges import ranges
from xrobust.errors import UserError

WORDS = 500_000
"""Most different words whose pieces are kept in memory: about 100 MB."""


@dataclass(frozen=True)
class Words:
    """The words of some sentences as pieces, one sentence after the other."""

    ids: np.ndarray
    """int32: the pieces of each word, never none."""
    lengths: np.ndarray
    """int64 (words,): pieces of each word."""
    sentences: np.ndarray
    """int64 (sentences,): words of each sentence."""
    cut: np.ndarray
    """int32 (words,): pieces that each word lost, being longer than a window."""


@dataclass(frozen=True)
class Windows:
    """Model inputs in flat arrays, special tokens included."""

    ids: np.ndarray
    """int32 (pieces,)."""
    special: np.ndarray
    """bool (pieces,): True at special tokens."""
    labels: np.ndarray
    """int64 (pieces,): the tag of a word at its first piece, IGNORED elsewhere."""
    lengths: np.ndarray
    """int64 (windows,)."""
    sentence: np.ndarray
    """int64 (windows,): index of the sentence that each window is of."""
    cut: np.ndarray
    """int32 (windows,): pieces that its words lost."""


class WordEncoder:
    """Equal to giving whole sentences to the tokenizer with `is_split_into_words`, which takes word by word.

    The tokenizers library normalises, splits and encodes each word of such a sentence for itself, so the pieces of a
    word are the same in any sentence, and it is enough to ask for them once.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        """
        Args:
            tokenizer: a fast tokenizer of transformers.
            max_length: of a window, in word pieces with special tokens.

        Raises UserError for a length without room for a piece.
        """
        # Special tokens around a single sequence, read off one: [CLS] ... [SEP] in most, but not in all.
        probe = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True)
        mask = probe["special_tokens_mask"]
        start = mask.index(0)
        stop = len(mask) - mask[::-1].index(0)
        self._prefix, self._suffix = probe["input_ids"][:start], probe["input_ids"][stop:]
        special = len(self._prefix) + len(self._suffix)
        self._room = max_length - special
        if self._room < 1:
            raise UserError(f"max_length {max_length} leaves no room for a token beside the {special} special ones")
        self._tokenizer = tokenizer
        self._no_piece = tokenizer.mask_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        self._forget()

    def _forget(self) -> None:
        self._number: dict[str, int] = {}
        self._ids = array("i")
        self._lengths = array("q")
        self._cut_away = array("i")

    def tokenise(self, sentences: Sequence[Sequence[str]]) -> Words:
        """The pieces of each word; of a word longer than a window its first ones."""
        if len(self._number) > WORDS:
            self._forget()
        words = list(chain.from_iterable(sentences))
        if new := [word for word in dict.fromkeys(words) if word not in self._number]:
            self._learn(new)
        number = np.fromiter(map(self._number.__getitem__, words), dtype=np.int64, count=len(words))
        known = np.array(self._lengths, dtype=np.int64)
        lengths = known[number]
        ids = np.array(self._ids, dtype=np.int32)[ranges((np.cumsum(known) - known)[number], lengths)]
        of_each = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        return Words(ids, lengths, of_each, np.array(self._cut_away, dtype=np.int32)[number])

    def _learn(self, words: list[str]) -> None:
        encodings = self._tokenizer(
            [[word] for word in words],
            is_split_into_words=True,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # about a word that is too long: it is cut here
        )
        for word, pieces in zip(words, encodings["input_ids"], strict=True):
            kept = pieces[: self._room] or [self._no_piece]
            self._number[word] = len(self._number)
            self._ids.extend(kept)
            self._lengths.append(len(kept))
            self._cut_away.append(max(0, len(pieces) - self._room))

    def windows(self, words: Words, tags: Sequence[int]) -> Windows:
        """Packs as many whole words into a window as fit; a sentence's windows follow one another. One tag a word."""
        first, sentence = self._cut(words)
        content, cut = (
            np.add.reduceat(values, first) if len(first) else values[:0] for values in (words.lengths, words.cut)
        )
        before, after = len(self._prefix), len(self._suffix)
        lengths = content + (before + after)
        starts = np.cumsum(lengths) - lengths
        total = int(lengths.sum())

        ids = np.empty(total, dtype=np.int32)
        special = np.ones(total, dtype=bool)
        labels = np.full(total, IGNORED, dtype=np.int64)
        for k, piece in enumerate(self._prefix):
            ids[starts + k] = piece
        for k, piece in enumerate(self._suffix):
            ids[starts + before + content + k] = piece
        places = ranges(starts + before, content)
        ids[places] = words.ids
        special[places] = False
        labels[places[np.cumsum(words.lengths) - words.lengths]] = tags
        return Windows(ids, special, labels, lengths, sentence, cut)

    def _cut(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """The first word of each window, and its sentence."""
        ends = np.concatenate([[0], np.cumsum(words.lengths)])
        stop = np.cumsum(words.sentences)
        start = stop - words.sentences
        (long,) = np.nonzero(ends[stop] - ends[start] > self._room)
        if not len(long):
            (sentence,) = np.nonzero(words.sentences)
            return start[sentence], sentence
        cut: list[tuple[int, int]] = [(int(start[s]), int(s)) for s in np.nonzero(words.sentences)[0]]
        for s in long:
            word = int(start[s])
            while ends[stop[s]] - ends[word] > self._room:
                word = int(np.searchsorted(ends, ends[word] + self._room, side="right")) - 1
                cut.append((word, int(s)))
        first, sentence = np.array(sorted(cut), dtype=np.int64).T
        return first, sentence
