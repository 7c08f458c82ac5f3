"""Spanish and French."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..things import Noun
from ..tokens import Token
from .base import Language

ELIDED = frozenset("le la de ne que se je me".split())
VOWELS = frozenset("aeiouœàâéèêëîïôù")
SILENT_H = ("habit", "hier", "homme", "hôpital", "hôtel", "heure")  # Hambourg, Honda: de Hambourg, de Honda


class Romance(Language):
    """Nouns: `the` (default), `a`, `bare`. An adjective follows its noun, or stands before it (+ in the lexicon)."""

    articles: Mapping[str, Mapping[str, str]]

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        gender = noun.entry[self.code].gender
        singular, plural = noun.entry[self.code].forms
        if number:
            return [self.numeral(number), Token(plural, "NOUN")]
        tokens = [Token(singular, "NOUN")]
        if noun.adjective:
            masculine, feminine, *before_vowel = noun.adjective[self.code].forms
            form = feminine if gender == "f" else masculine
            if gender == "m" and before_vowel and starts_with_vowel(singular):
                form = before_vowel[0]
            tokens.insert(0 if masculine.startswith("+") else 1, Token(form.removeprefix("+"), "ADJ"))
        if "bare" not in asked:
            tokens.insert(0, Token(self.articles["a" if "a" in asked else "the"][gender], "DET"))
        return tokens


class Spanish(Romance):
    """Verbs: the passive is the participle."""

    code = "es"
    numbers = "dos tres cuatro cinco seis siete ocho nueve".split()
    articles = {"the": {"m": "el", "f": "la"}, "a": {"m": "un", "f": "una"}}
    function_words = {"el": "DET", "la": "DET", "en": "ADP"}
    joined_right = frozenset("¿¡")
    contractions = {("a", "el"): "al", ("de", "el"): "del"}

    def before(self, form: str, after: str) -> str:
        """e for y before the sound of i."""
        return "e" if form == "y" and after.lower().startswith(("i", "hi")) else form


class French(Romance):
    """Countries: `in`, `from`. Of a verb, the active is the participle with avoir, the passive that with être."""

    code = "fr"
    numbers = "deux trois quatre cinq six sept huit neuf".split()
    articles = {"the": {"m": "le", "f": "la"}, "a": {"m": "un", "f": "une"}}
    function_words = {"le": "DET", "la": "DET", "à": "ADP", "dans": "ADP", "de": "ADP", "en": "ADP"}
    joined_left = frozenset(". ,".split())
    joined_right = frozenset("'")
    contractions = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}
    places = {"in": 1, "from": 2}

    def before(self, form: str, after: str) -> str:
        return f"{form[:-1]}'" if form in ELIDED and starts_with_vowel(after) else form


def starts_with_vowel(form: str) -> bool:
    """True if le, de and the like lose their vowel before the word."""
    lower = form.lower()
    return lower[0] in VOWELS or (form[0].islower() and lower.startswith(SILENT_H))
