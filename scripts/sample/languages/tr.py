"""Turkish."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Figure, Noun, Person, Thing
from ..tokens import Token
from .base import Language

TENS = {20: "si", 30: "u", 40: "ı", 50: "si", 60: "ı", 70: "i", 80: "i"}  # possessed: yüzde 40'ı


class Turkish(Language):
    """Nouns, names: `acc dat loc abl gen`, bare by default. Nouns: `a` (bir); `poss`, the thing possessed. People:
    `too`. Places: `was`."""

    code = "tr"
    numbers = "iki üç dört beş altı yedi sekiz dokuz".split()
    places = {"acc": 1, "dat": 2, "loc": 3, "abl": 4, "gen": 5, "poss": 6, "was": 1}

    def thing(self, thing: Thing, asked: Sequence[str], other: Thing | None) -> list[Token]:
        """Adds da or de (too), which has the vowel of the locative."""
        tokens = super().thing(thing, asked, other)
        return [*tokens, Token(f"d{super().thing(thing, ['loc'], other)[-1].form[-1]}")] if "too" in asked else tokens

    def person(self, person: Person, asked: Sequence[str]) -> list[Token]:
        """Puts the suffix on the last word."""
        first, *last = super().person(person, asked)
        return [Token(person.first["tr"].forms[0], "PROPN"), *last] if last else [first]

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        tokens = [Token(self.form(noun.entry, asked), "NOUN")]
        if "a" in asked:
            tokens.insert(0, Token("bir", "DET"))
        if noun.adjective:
            tokens.insert(0, Token(noun.adjective["tr"].forms[0], "ADJ"))
        return [*([self.numeral(number)] if number else []), *tokens]

    def figure(self, figure: Figure, asked: Sequence[str]) -> list[Token]:
        """`poss`: of a multiple of ten, with the suffix of what is possessed."""
        return [Token(f"{figure.value}'{TENS[figure.value]}" if "poss" in asked else str(figure.value), "NUM")]
