"""Chinese, in simplified characters, split into the words of UD."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Figure, Noun, Person, Phrase
from ..tokens import Token, words
from .base import Language


class Chinese(Language):
    """Nouns: bare (default), with the measure word after `a` (one), `that` or a number."""

    code = "zh"
    spaces = False
    numbers = "两 三 四 五 六 七 八 九".split()

    def person(self, person: Person, forms: Sequence[str]) -> list[Token]:
        return dotted(super().person(person, forms), Token("·", "PUNCT"))

    def phrase(self, phrase: Phrase, forms: Sequence[str]) -> list[Token]:
        return words(phrase.entry["zh"], "NOUN")

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        measure, form = noun.entry["zh"].split()
        count = "一" if "a" in forms else self.numbers[number - 2] if number else None
        counted = [Token(count, "NUM"), Token(measure, "NOUN")] if count else []
        if "that" in forms:
            counted = [Token("那", "DET"), Token(measure, "NOUN")]
        adjective = words(noun.adjective["zh"]) if noun.adjective else []
        return [*counted, *adjective, Token(form, "NOUN")]

    def figure(self, figure: Figure, forms: Sequence[str]) -> list[Token]:
        """`year`: 1998年 is one word, a noun, in the treebanks."""
        return [Token(f"{figure.value}年", "NOUN") if "year" in forms else Token(str(figure.value), "NUM")]


def dotted(names: list[Token], dot: Token) -> list[Token]:
    """A dot between the parts of a foreign name."""
    return [token for name in names for token in (dot, name)][1:]
