"""Spanish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..lexicon import Entry
from ..things import Name, Noun, Thing, Verb
from ..tokens import Token, as_entity, words
from .base import ENTITY, Language, contracted


class Spanish(Language):
    """Nouns: `the` (default), `a`, `bare`. Verbs: active (default), `pass` (the participle, with its subject)."""

    code = "es"
    numbers = "dos tres cuatro cinco seis siete ocho nueve".split()
    function_words = {"el": "DET", "la": "DET", "en": "ADP"}
    joined_right = frozenset("¿¡")

    def fuse(self, tokens: list[Token]) -> list[Token]:
        """al, del; e for y before the sound of i."""
        tokens = [
            replace(t, form="e") if t.form == "y" and after.form.lower().startswith(("i", "hi")) else t
            for t, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True)
        ]
        return contracted(tokens, {("a", "el"): "al", ("de", "el"): "del"})

    def noun_gender(self, entry: Entry) -> str:
        return entry["es"].split()[0]

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        gender, space, rest = name.entry["es"].partition(" ")
        if not space or gender not in ("m", "f"):
            return super().name(name, forms)
        return [
            Token("el" if gender == "m" else "la", "DET"),
            *as_entity(words(rest, "PROPN"), ENTITY[name.entry.kind]),
        ]

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        gender, cell = noun.entry["es"].split(" ", 1)
        singular, plural = cell.split("/")
        if number:
            return [Token(self.numbers[number - 2], "NUM"), Token(plural, "NOUN")]
        tokens = [] if "bare" in forms else [Token(self.article(gender, "a" in forms), "DET")]
        tokens.append(Token(singular, "NOUN"))
        if noun.adjective:
            masculine, feminine = noun.adjective["es"].split("/")
            tokens.append(Token(masculine if gender == "m" else feminine, "ADJ"))
        return tokens

    def article(self, gender: str, indefinite: bool) -> str:
        if indefinite:
            return "un" if gender == "m" else "una"
        return "el" if gender == "m" else "la"

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        found = verb.entry["es"].split("/")
        if "pass" not in forms:
            return [Token(found[0], "VERB")]
        if subject is None:
            raise ValueError("a participle agrees with its subject")
        return [Token(found[1 if self.gender(subject) == "m" else 2], "VERB")]
