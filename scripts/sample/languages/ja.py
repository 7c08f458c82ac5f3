"""Japanese, split into the short words of UD; particles stand in the templates."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Figure, Name, Noun, Person, Phrase, Thing, Verb
from ..tokens import Token, as_entity, words
from .base import ENTITY, Language
from .zh import dotted


class Japanese(Language):
    """Nouns: bare (default), or with a number and its counter. Verbs: past, active or `pass`."""

    code = "ja"
    spaces = False
    numbers = "二 三 四 五 六 七 八 九".split()

    def person(self, person: Person, forms: Sequence[str]) -> list[Token]:
        return dotted(super().person(person, forms), Token("・", "SYM"))

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        """The words of a company's foreign name are parted by a dot."""
        tokens = words(name.entry["ja"], "PROPN")
        if len(tokens) > 1 and all("ァ" <= letter <= "ー" for token in tokens for letter in token.form):
            tokens = dotted(tokens, Token("・", "SYM"))
        return as_entity(tokens, ENTITY[name.entry.kind])

    def phrase(self, phrase: Phrase, forms: Sequence[str]) -> list[Token]:
        return [Token(t.form, t.upos or ("ADP" if t.form == "に" else "NOUN")) for t in words(phrase.entry["ja"])]

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        form, counter = noun.entry["ja"].split(":")
        counted = [Token(self.numbers[number - 2], "NUM"), Token(counter, "NOUN"), Token("の", "ADP")] if number else []
        adjective = words(noun.adjective["ja"]) if noun.adjective else []
        return [*counted, *adjective, Token(form, "NOUN")]

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        active, _, passive = verb.entry["ja"].partition("/")
        return words(passive if "pass" in forms else active, "VERB", mark="|")

    def figure(self, figure: Figure, forms: Sequence[str]) -> list[Token]:
        """`year`: 1998 年."""
        return [Token(str(figure.value), "NUM"), *([Token("年", "NOUN")] if "year" in forms else [])]
