"""French."""

from __future__ import annotations

from collections.abc import Sequence

from ..lexicon import Entry
from ..things import Name, Noun, Thing, Verb
from ..tokens import Token, as_entity, words
from .base import ENTITY, Language, contracted

ELIDED = {word: word[:-1] + "'" for word in "le la de ne que se je me".split()}
VOWELS = frozenset("aeiouœàâéèêëîïôù")
SILENT_H = ("habit", "hier", "homme", "hôpital", "hôtel", "heure")  # Hambourg, Honda: de Hambourg, de Honda
CONTRACTIONS = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}


class French(Language):
    """Nouns: `the` (default), `a`, `bare`. Countries: `the`, `in`, `from`. Verbs: the participle with avoir, or
    that of the passive (`pass`) with its subject."""

    code = "fr"
    numbers = "deux trois quatre cinq six sept huit neuf".split()
    function_words = {"le": "DET", "la": "DET", "à": "ADP", "dans": "ADP", "en": "ADP"}
    joined_left = frozenset(". ,".split())
    joined_right = frozenset("'")

    def fuse(self, tokens: list[Token]) -> list[Token]:
        """First elision (de l'hôtel), then contraction (de le musée: du)."""
        elided = [
            Token(ELIDED[t.form], t.upos) if t.form in ELIDED and starts_with_vowel(after.form) else t
            for t, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True)
        ]
        return contracted(elided, CONTRACTIONS)

    def noun_gender(self, entry: Entry) -> str:
        return entry["fr"].split()[0]

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        gender, space, rest = name.entry["fr"].partition(" ")
        if not space or gender not in ("m", "f"):
            return super().name(name, forms)
        article = Token("le" if gender == "m" else "la", "DET")
        tokens = as_entity(words(rest, "PROPN"), ENTITY[name.entry.kind])
        if "in" in forms:
            return [Token("en", "ADP"), *tokens] if gender == "f" else [Token("à", "ADP"), article, *tokens]
        if "from" in forms:
            return [Token("de", "ADP"), *([article] if gender == "m" else []), *tokens]
        return [article, *tokens]

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        gender, cell = noun.entry["fr"].split(" ", 1)
        singular, plural = cell.split("/")
        if number:
            return [Token(self.numbers[number - 2], "NUM"), Token(plural, "NOUN")]
        tokens = [] if "bare" in forms else [Token(self.article(gender, "a" in forms), "DET")]
        noun_token = Token(singular, "NOUN")
        if noun.adjective is None:
            return [*tokens, noun_token]
        before = noun.adjective["fr"].startswith("+")
        masculine, feminine, *special = noun.adjective["fr"].removeprefix("+").split("/")
        form = feminine if gender == "f" else special[0] if special and starts_with_vowel(singular) else masculine
        adjective = Token(form, "ADJ")
        return [*tokens, adjective, noun_token] if before else [*tokens, noun_token, adjective]

    def article(self, gender: str, indefinite: bool) -> str:
        if indefinite:
            return "un" if gender == "m" else "une"
        return "le" if gender == "m" else "la"

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        masculine, *feminine = verb.entry["fr"].split("/")
        if "pass" in forms and subject is None:
            raise ValueError("a participle agrees with its subject")
        passive_of_woman = "pass" in forms and subject is not None and self.gender(subject) == "f"
        return [Token(feminine[0] if passive_of_woman else masculine, "VERB")]


def starts_with_vowel(form: str) -> bool:
    """Whether le, de and the like lose their vowel before the word."""
    lower = form.lower()
    return lower[0] in VOWELS or (form[0].islower() and lower.startswith(SILENT_H))
