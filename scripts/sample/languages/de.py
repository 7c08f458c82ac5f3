"""German."""

from __future__ import annotations

from collections.abc import Sequence

from ..lexicon import Entry
from ..things import Name, Noun
from ..tokens import Token, as_entity
from .base import ENTITY, Language, contracted

DEFINITE = {
    "nom": {"m": "der", "f": "die", "n": "das"},
    "acc": {"m": "den", "f": "die", "n": "das"},
    "dat": {"m": "dem", "f": "der", "n": "dem"},
}
INDEFINITE = {
    "nom": {"m": "ein", "f": "eine", "n": "ein"},
    "acc": {"m": "einen", "f": "eine", "n": "ein"},
    "dat": {"m": "einem", "f": "einer", "n": "einem"},
}
WEAK = {  # after der, die, das
    "nom": {"m": "e", "f": "e", "n": "e"},
    "acc": {"m": "en", "f": "e", "n": "e"},
    "dat": {"m": "en", "f": "en", "n": "en"},
}
MIXED = {  # after ein, kein, mein
    "nom": {"m": "er", "f": "e", "n": "es"},
    "acc": {"m": "en", "f": "e", "n": "es"},
    "dat": {"m": "en", "f": "en", "n": "en"},
}
GENITIVE = {"Kreuz": "Kreuzes", "Parlament": "Parlaments"}
CONTRACTIONS = {
    ("an", "dem"): "am", ("bei", "dem"): "beim", ("in", "dem"): "im", ("in", "das"): "ins", ("von", "dem"): "vom",
    ("zu", "dem"): "zum", ("zu", "der"): "zur",
}  # fmt: skip


class German(Language):
    """Nouns: cases `nom` (default), `acc`, `dat`; `the` (default), `a`, `no` (kein)."""

    code = "de"
    numbers = "zwei drei vier fünf sechs sieben acht neun".split()
    function_words = {"an": "ADP", "in": "ADP", "auf": "ADP", "dem": "DET", "der": "DET"}

    def fuse(self, tokens: list[Token]) -> list[Token]:
        return contracted(tokens, CONTRACTIONS)

    def noun_gender(self, entry: Entry) -> str:
        return entry["de"].split()[0]

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        """`of`: the genitive of a name with an article, von before any other."""
        kind, cell, case = ENTITY[name.entry.kind], name.entry["de"], case_of(forms)
        gender, space, rest = cell.partition(" ")
        if not space or gender not in WEAK["nom"]:
            return [*([Token("von", "ADP")] if "of" in forms else []), *super().name(name, forms)]
        article, ending = DEFINITE[case][gender], WEAK[case][gender]
        if "of" in forms:
            article, ending = ("der" if gender == "f" else "des"), "en"
        tokens = []
        for part in rest.split():
            adjective = part.startswith("+")
            form = part[1:] + ending if adjective else GENITIVE.get(part, part) if "of" in forms else part
            tokens.append(Token(form, "PROPN"))
        return [Token(article, "DET"), *as_entity(tokens, kind)]

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        gender, cell = noun.entry["de"].split(" ", 1)
        singular, plural = cell.split("/")
        singular, _, oblique = singular.partition("*")
        case = case_of(forms)
        if number:
            if noun.adjective or case == "dat":
                raise ValueError("a number goes with a bare noun in the nominative or accusative")
            return [Token(self.numbers[number - 2], "NUM"), Token(plural, "NOUN")]
        form = Token(oblique if oblique and case != "nom" else singular, "NOUN")
        indefinite = "a" in forms or "no" in forms
        article = (INDEFINITE if indefinite else DEFINITE)[case][gender]
        tokens = [Token(f"k{article}" if "no" in forms else article, "DET")]
        if noun.adjective:
            tokens.append(Token(noun.adjective["de"] + (MIXED if indefinite else WEAK)[case][gender], "ADJ"))
        return [*tokens, form]


def case_of(forms: Sequence[str]) -> str:
    """The case asked for; the nominative where none is."""
    return next((form for form in forms if form in DEFINITE), "nom")
