"""Spacing errors: spaces where none belong, and none where some do."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from pydantic import Field

from xrobust.contracts import PerturbationInfo

from .shared.graphemes import clusters
from .shared.scripts import WITHOUT_SPACES, script_of, without_spaces
from .shared.words import FormPerturbation, Word, WordPerturbation, deciding, words

Edit = tuple[int, int, str]
"""Start and end of a stretch of the text, and its replacement."""
_ONE_SPACE = re.compile(r"[,;:،؛]? ")
_SHORTEST_PART = 2
"""Clusters that are left on either side of a space within a word."""


class Whitespace(FormPerturbation):
    """Spacing errors: words split, words run together, spaces doubled.

    Of n words rate * n, rounded, and at least one, get an error: a space inside a word of four letters or more, with
    two at least on each side, or no space between two words, either as likely as the other. Besides, each other space
    is doubled with probability `rate`; never alone, since mBERT and XLM-R take two spaces for one. In Chinese, Japanese
    and Thai, written without spaces, spaces are put between characters (Thai: clusters) instead. To mBERT, which
    sets each Han character apart anyway, a space between two of them is none.

    Grapheme clusters are not split, and no error takes or makes a word that decides what a text says
    (`deciding_words.py`): *not able* and *notable*. For texts alone: tokens that come split cannot be split otherwise.
    """

    info = PerturbationInfo(
        name="whitespace",
        summary="words split, run together, and spaces doubled; in Chinese, Japanese and Thai spaces put in",
        kinds=("sequence_classification", "multiple_choice"),
        version=2,
    )

    class Params(WordPerturbation.Params):
        rate: float = Field(default=0.1, gt=0, le=1, description="share of words with a spacing error; at least one")

    params: Params

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        if without_spaces(language):
            return [_edited(part, self._put_in(part, rng)) for part in parts]
        return [_edited(part, self._moved(part, language, rng)) for part in parts]

    def _put_in(self, text: str, rng: random.Random) -> list[Edit]:
        """Puts spaces into stretches of a script that is written without them."""
        places = _between_clusters(text)
        wanted = max(1, round(self.params.rate * len(list(words(text)))))
        return [(place, place, " ") for place in rng.sample(places, min(wanted, len(places)))]

    def _moved(self, text: str, language: str, rng: random.Random) -> list[Edit]:
        """Splits words and runs words together; if there is one such, doubles some of the spaces left."""
        all_words = list(words(text))
        splits = [places for word in all_words if (places := _inside(word))]
        spaces = [b.start - 1 for a, b in pairwise(all_words) if _ONE_SPACE.fullmatch(text, a.end, b.start)]
        joins = list(spaces)
        wanted = max(1, round(self.params.rate * len(all_words)))
        decided = _deciding(text, language)
        edits: list[Edit] = []
        while len(edits) < wanted and (splits or joins):
            if splits and (not joins or rng.random() < 0.5):
                place = rng.choice(splits.pop(rng.randrange(len(splits))))
                edit = (place, place, " ")
            else:
                place = joins.pop(rng.randrange(len(joins)))
                edit = (place, place + 1, "")
            if _deciding(_edited(text, [*edits, edit]), language) == decided:
                edits.append(edit)
        if edits:
            joined = {start for start, _, new in edits if not new}
            left = [place for place in spaces if place not in joined]
            edits += [(place, place + 1, "  ") for place in left if rng.random() < self.params.rate]
        return edits


def _inside(word: Word) -> list[int]:
    """Places where a word can be split."""
    pieces = clusters(word.text)
    ends = list(accumulate(map(len, pieces)))
    return [word.start + end for end in ends[_SHORTEST_PART - 1 : len(pieces) - _SHORTEST_PART]]


def _deciding(text: str, language: str) -> list[str]:
    """The words of a text that decide what it says, in order."""
    found = list(words(text))
    left = deciding(found, [text], language)
    return [word.text for word in found if word in left]


def _between_clusters(text: str) -> list[int]:
    """Places where one cluster of a script without spaces follows another."""
    places = []
    end = 0
    for before, after in pairwise(clusters(text)):
        end += len(before)
        if script_of(before[0]) in WITHOUT_SPACES and script_of(after[0]) in WITHOUT_SPACES:
            places.append(end)
    return places


def _edited(text: str, edits: list[Edit]) -> str:
    """The text with each stretch from start to end replaced."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
