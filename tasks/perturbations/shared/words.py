"""Walking over the words of an example: one base for the perturbations that change some of them."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from pydantic import Field

from xrobust.contracts import Example, Parameters, Perturbation

from .deciding_words import decides, deciding_places
from .graphemes import clusters
from .scripts import is_mark, script_of

_CLUSTERS_A_WORD = {"Han": 2, "Hiragana": 3, "Thai": 3, "Lao": 3, "Khmer": 3, "Myanmar": 3, "Tibetan": 3}
"""How many clusters of a script without spaces count as a word: about a word's mean length. Katakana is not here: a
run of it is a word."""
_NO_WORDS = re.compile(r"://|^www\.|@|^#|^/|\\|\.[a-z]{2,}/")
"""Addresses, handles, tags and paths: what must be left alone, found in a stretch without spaces."""
_INNER = frozenset("'’ʼ\u200c\u200d״׳")
"""Characters that may stand inside a word, between two letters."""


@dataclass(frozen=True)
class Word:
    """A word's place in an example."""

    part: int
    """Index of the token, or 0 for a text."""
    start: int
    end: int
    text: str


class FormPerturbation(Perturbation):
    """Base of perturbations that change each text, or the tokens, of an example: subclasses define `changed`."""

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        after = dict(example)
        if "tokens" in example:
            after["tokens"] = self.changed(list(example["tokens"]), language, rng, example.get("tags"))
        else:
            # Of a multiple choice, the choices stay: the right one must be found for another form of the same text.
            for column in ("text",) if "choices" in example else ("text", "text_pair"):
                if example.get(column) is not None:
                    (after[column],) = self.changed([example[column]], language, rng, None)
        return None if after == example else after

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        """As many parts as were given: the tokens of a sentence with their `tags`, or one text, without."""
        raise NotImplementedError(f"{type(self).__name__} does not define changed")


class WordPerturbation(FormPerturbation):
    """Base of perturbations that change a share of the words: subclasses define `change`.

    Of n words, rate * n are changed, rounded, and never fewer than one where one can be: which, is drawn without
    replacement among all, and one that cannot be changed is passed over.
    """

    class Params(Parameters):
        rate: float = Field(default=0.1, gt=0, le=1, description="share of words that are changed; at least one is")

    params: Params
    leaves_deciding_words: ClassVar[bool] = False
    """True if words that decide what a text says stay: for changes after which another word could be read."""

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        return replaced(parts, self.chosen(parts, language, rng, tags))

    def chosen(
        self, parts: Sequence[str], language: str, rng: random.Random, tags: Sequence[str] | None
    ) -> dict[Word, str]:
        """The words that are changed, and what they become."""
        words = self.words(parts, language, tags)
        wanted = max(1, round(self.params.rate * len(words)))
        left = deciding(words, parts, language) if self.leaves_deciding_words and tags is None else frozenset()
        new: dict[Word, str] = {}
        for word in rng.sample(words, len(words)):
            if len(new) == wanted:
                break
            if word not in left and (text := self.change(word.text, language, rng)) is not None:
                new[word] = text
        return new

    def words(self, parts: Sequence[str], language: str, tags: Sequence[str] | None) -> list[Word]:
        """The words that the rate is a share of, in order."""
        return [word for index, part in enumerate(parts) for word in words(part, index)]

    def change(self, word: str, language: str, rng: random.Random) -> str | None:
        """Another form of a word, or None where it has none."""
        raise NotImplementedError(f"{type(self).__name__} does not define change")


def deciding(found: Sequence[Word], parts: Sequence[str], language: str) -> frozenset[Word]:
    """The words among `found` that decide what the parts say, or hold something that does."""
    places = [deciding_places(part, language) for part in parts]
    return frozenset(
        word
        for word in found
        if decides(word.text, language) or any(a < word.end and word.start < b for a, b in places[word.part])
    )


def outside(text: str, places: Sequence[tuple[int, int]], change: Callable[[str], str]) -> str:
    """The text changed everywhere but at `places`: starts and ends, in order."""
    ends = [0, *(end for _, end in places)]
    starts = [*(start for start, _ in places), len(text)]
    kept = [*(text[start:end] for start, end in places), ""]
    return "".join(change(text[a:b]) + k for a, b, k in zip(ends, starts, kept, strict=True))


def replaced(parts: Sequence[str], new: Mapping[Word, str]) -> list[str]:
    """The parts with the words in `new` replaced."""
    result = list(parts)
    for word in sorted(new, key=lambda w: (w.part, w.start), reverse=True):  # from the end: starts stay true
        part = result[word.part]
        result[word.part] = part[: word.start] + new[word] + part[word.end :]
    return result


def words(text: str, part: int = 0) -> Iterator[Word]:
    """The words of a text: runs of letters with their marks, apostrophes and joiners inside.

    Addresses, handles and words with digits are none. Of scripts without spaces, where words cannot be told apart
    without a dictionary, short stretches of a script serve as words: two Han characters, three clusters of hiragana,
    Thai, Lao, Khmer or Myanmar.
    """
    for chunk in re.finditer(r"\S+", text):
        if not _NO_WORDS.search(chunk[0]):
            for start, end in _runs(chunk[0]):
                for a, b in _pieces(chunk[0][start:end]):
                    place = chunk.start() + start
                    yield Word(part, place + a, place + b, text[place + a : place + b])


def _runs(chunk: str) -> Iterator[tuple[int, int]]:
    """Start and end of the runs of letters; those that touch a digit only where spaces are not used anyway."""
    start = 0
    while start < len(chunk):
        if not _is_letter(chunk[start]):
            start += 1
            continue
        end = start + 1
        while end < len(chunk) and (_belongs(chunk[end]) or _is_inner(chunk, end)):
            end += 1
        touches_digit = any(_is_digit(c) for c in chunk[max(0, start - 1) : start] + chunk[end : end + 1])
        orphan = start > 0 and is_mark(chunk[start - 1])
        if not orphan and not (touches_digit and script_of(chunk[start]) not in _CLUSTERS_A_WORD):
            yield start, end
        start = end


def _pieces(run: str) -> Iterator[tuple[int, int]]:
    """Start and end of the words of a run: cut where a script without spaces begins or ends, and such ones in short."""
    start = 0
    for script, group in groupby(clusters(run), key=_script_of_cluster):
        found = list(group)
        size = _CLUSTERS_A_WORD.get(script, len(found))
        for i in range(0, len(found), size):
            end = start + sum(map(len, found[i : i + size]))
            yield start, end
            start = end


def _script_of_cluster(cluster: str) -> str:
    script = script_of(cluster[0])
    return script if script in _CLUSTERS_A_WORD or script == "Katakana" else ""


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] == "L"


def _belongs(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _is_inner(chunk: str, i: int) -> bool:
    return chunk[i] in _INNER and i + 1 < len(chunk) and _is_letter(chunk[i + 1]) and _belongs(chunk[i - 1])


def _is_digit(character: str) -> bool:
    return unicodedata.category(character)[0] == "N" or character == "_"
