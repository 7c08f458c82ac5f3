"""English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..things import Name, Noun, Thing
from ..tokens import Token, as_entity, words
from .base import ENTITY, Language, Slots

VOWEL_SOUND = re.compile(r"(?!uni|use|eu|one)[aeiou]", re.IGNORECASE)


class English(Language):
    """Nouns: `the` (default), `a`, `bare`; `gen` adds 's."""

    code = "en"
    numbers = "two three four five six seven eight nine".split()
    function_words = {"at": "ADP", "in": "ADP", "on": "ADP", "the": "DET"}
    joined_left = Language.joined_left | {"'s", "n't"}

    def fuse(self, tokens: list[Token]) -> list[Token]:
        return [
            replace(t, form="an") if t.form == "a" and VOWEL_SOUND.match(after.form) else t
            for t, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True)
        ]

    def thing(self, thing: Thing, forms: Sequence[str], slots: Slots) -> list[Token]:
        """With the 's of the possessor, which is no part of the name."""
        return super().thing(thing, forms, slots) + ([Token("'s", "PART")] if "gen" in forms else [])

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        """An article before a name is no part of it."""
        cell = name.entry["en"]
        tokens = as_entity(words(cell.removeprefix("the "), "PROPN"), ENTITY[name.entry.kind])
        return [*([Token("the", "DET")] if cell.startswith("the ") else []), *tokens]

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        singular, plural = noun.entry["en"].split("/")
        adjective = [Token(noun.adjective["en"], "ADJ")] if noun.adjective else []
        if number:
            return [Token(self.numbers[number - 2], "NUM"), *adjective, Token(plural, "NOUN")]
        determiner = [] if "bare" in forms else [Token("a" if "a" in forms else "the", "DET")]
        return [*determiner, *adjective, Token(singular, "NOUN")]
