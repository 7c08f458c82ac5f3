"""German."""

from __future__ import annotations

from collections.abc import Sequence

from ..things import Noun
from ..tokens import Token
from .base import Language

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


class German(Language):
    """Nouns: cases `nom` (default), `acc`, `dat`; `the` (default), `a`, `no` (kein). Names: also `of`."""

    code = "de"
    numbers = "zwei drei vier fünf sechs sieben acht neun".split()
    function_words = dict.fromkeys("an in auf von".split(), "ADP") | dict.fromkeys("der die das dem des".split(), "DET")
    places = {"acc": 1, "dat": 2, "of": 3}
    contractions = {
        ("an", "dem"): "am", ("bei", "dem"): "beim", ("in", "dem"): "im", ("in", "das"): "ins", ("von", "dem"): "vom",
        ("zu", "dem"): "zum", ("zu", "der"): "zur",
    }  # fmt: skip

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        gender = noun.entry["de"].gender
        singular, plural, *oblique = noun.entry["de"].forms
        case = next((form for form in asked if form in DEFINITE), "nom")
        if number:
            if noun.adjective or case == "dat":
                raise ValueError("a number goes with a bare noun in the nominative or accusative")
            return [self.numeral(number), Token(plural, "NOUN")]
        indefinite = "a" in asked or "no" in asked
        article = (INDEFINITE if indefinite else DEFINITE)[case][gender]
        tokens = [Token(f"k{article}" if "no" in asked else article, "DET")]
        if noun.adjective:
            ending = (MIXED if indefinite else WEAK)[case][gender]
            tokens.append(Token(noun.adjective["de"].forms[0] + ending, "ADJ"))
        return [*tokens, Token(oblique[0] if oblique and case != "nom" else singular, "NOUN")]
