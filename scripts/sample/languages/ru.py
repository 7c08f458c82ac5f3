"""Russian."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..things import Figure, Noun, Person
from ..tokens import Token
from .base import Language

CASES = ("nom", "gen", "dat", "acc", "ins", "prep")
VO = re.compile(r"[вф][бвгджзклмнпрстфхцчшщ]", re.IGNORECASE)  # во Франции, but в Варшаве
# Index of the cases of an adjective in the lexicon, by gender. The masculine accusative is another case's.
ADJECTIVE = {"m": (0, 1, 2, 0, 3, 4), "n": (5, 1, 2, 5, 3, 4), "f": (6, 8, 8, 7, 8, 8)}


class Russian(Language):
    """Nouns, names: the six cases, `nom` by default. Verbs: past, active or `pass` (short participle), with subject."""

    code = "ru"
    numbers = "два три четыре пять шесть семь восемь девять".split()
    function_words = {"в": "ADP", "во": "ADP", "на": "ADP"}
    places = {case: place for place, case in enumerate(CASES)}

    def before(self, form: str, after: str) -> str:
        return "во" if form == "в" and VO.match(after) else form

    def person(self, person: Person, asked: Sequence[str]) -> list[Token]:
        """Does not decline the surname of a woman: all end in a consonant or in -и."""
        first, *last = super().person(person, asked)
        if person.last and person.first.extra == "f":
            last = [Token(person.last["ru"].forms[0], "PROPN")]
        return [first, *last]

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        gender = noun.entry["ru"].gender
        *singular, plural_genitive = noun.entry["ru"].forms
        case = next((form for form in asked if form in CASES), "nom")
        animate = noun.entry.kind in ("who", "pet")
        if number:
            if case not in ("nom", "acc") or (animate and case == "acc") or noun.adjective:
                raise ValueError("a number goes with a bare noun in the nominative, or inanimate in the accusative")
            numeral = Token("две", "NUM") if number == 2 and gender == "f" else self.numeral(number)
            return [numeral, Token(singular[1] if number < 5 else plural_genitive, "NOUN")]
        tokens = [Token(singular[self.places[case]], "NOUN")]
        if noun.adjective:
            of_animate = animate and gender == "m" and case == "acc"
            place = ADJECTIVE[gender][self.places["gen" if of_animate else case]]
            tokens.insert(0, Token(noun.adjective["ru"].forms[place], "ADJ"))
        return tokens

    def figure(self, figure: Figure, asked: Sequence[str]) -> list[Token]:
        """`year`: an ordinal (в 1998 году), an adjective in UD."""
        return [Token(str(figure.value), "ADJ" if "year" in asked else "NUM")]
