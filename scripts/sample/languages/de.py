"""German."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables import GENDERS
from ..things import Noun
from ..tokens import Token
from .base import Language

# By case, of masculine, feminine and neuter.
ARTICLES = {
    "the": {"nom": "der die das", "acc": "den die das", "dat": "dem der dem"},
    "a": {"nom": "ein eine ein", "acc": "einen eine ein", "dat": "einem einer einem"},
}
ENDINGS = {  # of an adjective after them
    "the": {"nom": "e e e", "acc": "en e e", "dat": "en en en"},
    "a": {"nom": "er e es", "acc": "en e es", "dat": "en en en"},
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
        gender = GENDERS.index(noun.entry["de"].gender)
        singular, plural, *oblique = noun.entry["de"].forms
        case = next((form for form in asked if form in ("acc", "dat")), "nom")
        if number:
            if noun.adjective or case == "dat":
                raise ValueError("a number goes with a bare noun in the nominative or accusative")
            return [self.numeral(number), Token(plural, "NOUN")]
        kind = "a" if "a" in asked or "no" in asked else "the"
        article = ARTICLES[kind][case].split()[gender]
        tokens = [Token(f"k{article}" if "no" in asked else article, "DET")]
        if noun.adjective:
            ending = ENDINGS[kind][case].split()[gender]
            tokens.append(Token(noun.adjective["de"].forms[0] + ending, "ADJ"))
        return [*tokens, Token(oblique[0] if oblique and case != "nom" else singular, "NOUN")]
