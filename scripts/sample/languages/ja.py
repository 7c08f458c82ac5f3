"""Japanese, split into the short words of UD; particles stand in the templates."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Figure, Noun
from ..tokens import Token, words
from .base import Language


class Japanese(Language):
    """Nouns: bare (default), or with a number and its counter. Verbs: past, active or `pass`."""

    code = "ja"
    spaces = False
    numbers = "二 三 四 五 六 七 八 九".split()
    function_words = {"に": "ADP"}
    dot = Token("・", "SYM")

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        form, counter = noun.entry["ja"].forms
        counted = [self.numeral(number), Token(counter, "NOUN"), Token("の", "ADP")] if number else []
        adjective = words(noun.adjective["ja"].forms[0]) if noun.adjective else []
        return [*counted, *adjective, Token(form, "NOUN")]

    def figure(self, figure: Figure, asked: Sequence[str]) -> list[Token]:
        """`year`: 1998 年."""
        return [*super().figure(figure, asked), *([Token("年", "NOUN")] if "year" in asked else [])]
