"""Words that change places with a neighbour."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence

from pydantic import Field

from xrobust.contracts import PerturbationInfo, Task

from .shared.deciding_words import decides, deciding_places
from .shared.graphemes import clusters
from .shared.scripts import without_spaces
from .shared.words import FormPerturbation, WordPerturbation


class WordOrder(FormPerturbation):
    """Swaps words with others nearby: local disorder, of which a reader still makes sense.

    Of n words about rate * n change places, in pairs of which the second is at most `window` words behind the first;
    at least one pair does, where two words differ. Marks and emoji around a word stay where they are, so that a
    sentence still ends with its full stop; so do numbers, and words that decide what a text says (`deciding_words.py`);
    letters keep their case. A distance of 3 is that of the word-shuffling noise of Lample et al. (ICLR 2018); that
    models classify pairs of sentences with reordered words as if nothing had happened is known (Sinha et al., ACL
    2021). The default rate is ours.

    Who does what to whom is in the order of words ("dogs chase cats"): tasks whose labels depend on it, such as PAWS-X
    and XNLI, refuse it. In Vietnamese, where spaces part syllables, it swaps those. Not
    covered: languages without spaces.
    """

    info = PerturbationInfo(
        name="word_order",
        summary="words swapped with others nearby",
        kinds=("sequence_classification", "multiple_choice"),
        citation="Lample et al., ICLR 2018; Sinha et al., ACL 2021",
        version=2,
    )

    class Params(WordPerturbation.Params):
        rate: float = Field(default=0.2, gt=0, le=1, description="share of words that change places; at least two do")
        window: int = Field(default=3, ge=1, le=10, description="how many words apart the two may be at most")

    params: Params

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        return "its labels depend on the order of words" if task.order_decides else None

    def language_problem(self, language: str) -> str | None:
        return "it is written without spaces between words" if without_spaces(language) else None

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        return [self._swapped(part, language, rng) for part in parts]

    def _swapped(self, text: str, language: str, rng: random.Random) -> str:
        chunks = re.split(r"(\s+)", text)  # words at even places, the spaces between them at odd ones
        cores = [_core(chunk) for chunk in chunks[::2]]
        places = [i for i, (start, end) in enumerate(cores) if start < end]
        words = {i: chunks[2 * i][slice(*cores[i])] for i in places}
        still = {i for i, word in words.items() if _stays(word, language)}
        pairs = [
            (a, b)
            for k, a in enumerate(places)
            for b in places[k + 1 : k + 1 + self.params.window]
            if words[a].casefold() != words[b].casefold() and still.isdisjoint((a, b))
        ]
        wanted = max(1, round(self.params.rate * len(places) / 2))
        moved: dict[int, str] = {}
        for a, b in rng.sample(pairs, len(pairs)):
            if len(moved) == 2 * wanted:
                break
            if a not in moved and b not in moved:
                moved[a], moved[b] = words[b], words[a]
        for i, word in moved.items():
            start, end = cores[i]
            chunks[2 * i] = chunks[2 * i][:start] + word + chunks[2 * i][end:]
        return "".join(chunks)


def _core(chunk: str) -> tuple[int, int]:
    """Start and end of a word without the marks around it; equal if there is nothing but marks."""
    places, end = [], 0
    for cluster in clusters(chunk):
        if unicodedata.category(cluster[0])[0] in "LN":
            places.append((end, end + len(cluster)))
        end += len(cluster)
    return (places[0][0], places[-1][1]) if places else (0, 0)


def _stays(word: str, language: str) -> bool:
    """True for a number, and for a word that decides what a text says."""
    return any(map(str.isdigit, word)) or decides(word, language) or bool(deciding_places(word, language))
