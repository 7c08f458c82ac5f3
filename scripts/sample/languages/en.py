"""English."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..things import Noun, Thing
from ..tokens import Token
from .base import Language

VOWEL_SOUND = re.compile(r"(?!uni|use|eu|one)[aeiou]", re.IGNORECASE)


class English(Language):
    """Nouns: `the` (default), `a`, `bare`; `gen` adds 's."""

    code = "en"
    numbers = "two three four five six seven eight nine".split()
    function_words = {"at": "ADP", "in": "ADP", "on": "ADP", "the": "DET"}
    joined_left = Language.joined_left | {"'s", "n't"}

    def before(self, form: str, after: str) -> str:
        return "an" if form == "a" and VOWEL_SOUND.match(after) else form

    def thing(self, thing: Thing, asked: Sequence[str], other: Thing | None) -> list[Token]:
        """Adds the 's of the possessor, which is no part of the name."""
        return super().thing(thing, asked, other) + ([Token("'s", "PART")] if "gen" in asked else [])

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        singular, plural = noun.entry["en"].forms
        adjective = [Token(noun.adjective["en"].forms[0], "ADJ")] if noun.adjective else []
        if number:
            return [self.numeral(number), *adjective, Token(plural, "NOUN")]
        determiner = [] if "bare" in asked else [Token("a" if "a" in asked else "the", "DET")]
        return [*determiner, *adjective, Token(singular, "NOUN")]
