"""Chinese, in simplified characters, split into the words of UD."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Figure, Noun
from ..tokens import Token, words
from .base import Language


class Chinese(Language):
    """Nouns: bare (default), with the measure word after `a` (one), `that` or a number."""

    code = "zh"
    spaces = False
    numbers = "两 三 四 五 六 七 八 九".split()
    dot = Token("·", "PUNCT")

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        form, measure = noun.entry["zh"].forms
        count = "一/NUM" if "a" in asked else "那/DET" if "that" in asked else ""
        counted = words(count) if count else [self.numeral(number)] if number else []
        adjective = words(noun.adjective["zh"].forms[0]) if noun.adjective else []
        return [*counted, *([Token(measure, "NOUN")] if counted else []), *adjective, Token(form, "NOUN")]

    def figure(self, figure: Figure, asked: Sequence[str]) -> list[Token]:
        """`year`: 1998年 is one word, a noun, in the treebanks."""
        return [Token(f"{figure.value}年", "NOUN") if "year" in asked else Token(str(figure.value), "NUM")]
