"""Code-switching: words replaced by their translations from a bilingual dictionary."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from xrobust.contracts import NotCovered, PerturbationContext, PerturbationInfo, Task

from .shared.deciding_words import decides
from .shared.dictionaries import find_dictionary, read_dictionary
from .shared.graphemes import clusters
from .shared.letters import lower, title, upper
from .shared.scripts import WITHOUT_SPACES, base_language, script_of, without_spaces
from .shared.words import Word, WordPerturbation, replaced

_FIRST = 3
"""Number of a word's first translations in the file that are drawn from."""
_LONGEST = 8
"""Clusters of the longest entry that is looked for in text without spaces."""
_SHORTEST = 2
"""Clusters of the shortest entry: a single character is more often a part of a word that is not in the dictionary."""


class CodeSwitch(WordPerturbation):
    """Replaces words by translations from a dictionary, without regard to the context: one of the first three.

    As CoSDA-ML (Qin et al., IJCAI 2020) and xTune (Zheng et al., ACL 2021) do to augment training data; the default
    rate is xTune's for XNLI, which takes 0.5 for PAWS-X. Text becomes mixed with English; English text, with the
    language of `into`. Words that are written with a capital, or in capitals, have translations that are.

    The dictionary is `dictionaries/en-<language>.tsv` of the data folder: a line an English word, a tab, and a
    translation, as MUSE's (Conneau et al., ICLR 2018), which are sorted by the frequency of the English word, so that
    the first translations are the likelier ones; `dictionary` names another file. Words in inflected forms that
    are not in it stay. In Chinese, Japanese and Thai text the longest entries of two characters or more are words, read
    from left to right, and `rate` is the share of those.

    Words that decide what a text says (`deciding_words.py`: negation, pronouns, numbers, quantities) stay, and are no
    translation: *o* of Turkish would become *he* or *she*.

    Tagging: only whole tokens with the tag O, and only translations that are one word. Tasks whose tags are not of
    entities refuse it: a translation may be another part of speech.
    """

    info = PerturbationInfo(
        name="code_switch",
        summary="words replaced by translations from a bilingual dictionary",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Qin et al., IJCAI 2020; Zheng et al., ACL 2021",
        version=2,
    )
    leaves_deciding_words = True
    needs = frozenset({"target_test"})

    class Params(WordPerturbation.Params):
        rate: float = Field(default=0.3, gt=0, le=1, description="share of words that are replaced; at least one is")
        into: str | None = Field(default=None, description="the language whose words English text gets")
        dictionary: Path | None = Field(
            default=None,
            exclude=True,
            description="file of English words, tabs and translations; {language} in its name becomes the language",
        )

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._translations: Mapping[str, Sequence[str]] = {}
        self._into = ""

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        if task.kind.pre_split and "O" not in task.kind.labels:
            return "its tags are not of entities, and a translation may be another part of speech"
        return None

    def files(self, language: str, data_dir: Path | None, offline: bool) -> dict[str, Path]:
        return {"dictionary": find_dictionary(self.params.dictionary, data_dir, self._foreign(language))}

    def prepare(self, ctx: PerturbationContext) -> None:
        english = base_language(ctx.language) == "en"
        foreign = self._foreign(ctx.language)
        if ctx.task.kind.pre_split and without_spaces(ctx.language):
            tokens = (token for example in ctx.target_test() for token in example["tokens"])
            if not any(script_of(token[0]) in WITHOUT_SPACES and len(clusters(token)) > 1 for token in tokens):
                raise NotCovered("its tokens are characters, not words")
        self._into = foreign if english else "en"
        table = read_dictionary(ctx.files["dictionary"], foreign, backwards=not english)
        if ctx.task.kind.pre_split:
            table = {word: tuple(t for t in others if len(t.split()) == 1) for word, others in table.items()}
        else:
            table = {word: tuple(t for t in others if not decides(t, self._into)) for word, others in table.items()}
        self._translations = table

    def _foreign(self, language: str) -> str:
        """The language beside English in the dictionary. Raises NotCovered where English text has none to go into."""
        if base_language(language) != "en":
            return language
        if self.params.into is None:
            raise NotCovered("for English, name a language: --set perturb.code_switch.into=LANGUAGE")
        return self.params.into

    def words(self, parts: Sequence[str], language: str, tags: Sequence[str] | None) -> list[Word]:
        if tags is not None:
            candidates = super().words(parts, language, tags)
            return [word for word in candidates if tags[word.part] == "O" and word.text == parts[word.part]]
        if without_spaces(language):
            return [word for part in parts for word in self._longest_entries(part)]
        return super().words(parts, language, tags)

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        new = self.chosen(parts, language, rng, tags)
        if tags is None and without_spaces(language):
            new = {word: _set_apart(word, parts[0], new) for word in new}
        return replaced(parts, new)

    def change(self, word: str, language: str, rng: random.Random) -> str | None:
        translations = self._translations.get(lower(word, language), ())
        if not translations:
            return None
        translation = rng.choice(translations[:_FIRST])
        if len(word) > 1 and word.isupper():
            return upper(translation, self._into)
        return title(translation, self._into) if word[0].isupper() else translation

    def _longest_entries(self, text: str) -> Iterator[Word]:
        """The entries of the dictionary in text without spaces, the longest at each place, from left to right."""
        pieces = clusters(text)
        i = start = 0
        while i < len(pieces):
            length = next(
                (
                    n
                    for n in range(min(_LONGEST, len(pieces) - i), _SHORTEST - 1, -1)
                    if self._is_entry(pieces[i : i + n])
                ),
                0,
            )
            end = start + sum(map(len, pieces[i : i + max(1, length)]))
            if length:
                yield Word(0, start, end, text[start:end])
            i, start = i + max(1, length), end

    def _is_entry(self, pieces: Sequence[str]) -> bool:
        return _is_unspaced(pieces[0][0]) and "".join(pieces) in self._translations


def _set_apart(word: Word, text: str, new: Mapping[Word, str]) -> str:
    """Replacement of a word, with a space where it would run into a word of a language with spaces."""
    before = text[word.start - 1 : word.start]
    touches = any(other.end == word.start for other in new) or (before.isalnum() and not _is_unspaced(before))
    after = text[word.end : word.end + 1]
    followed = after.isalnum() and not _is_unspaced(after)
    return " " * touches + new[word] + " " * followed


def _is_unspaced(character: str) -> bool:
    return script_of(character) in WITHOUT_SPACES
