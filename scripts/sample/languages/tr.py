"""Turkish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..things import Figure, Name, Noun, Person, Phrase, Thing, Verb
from ..tokens import Token, as_entity, words
from .base import ENTITY, Language

BACK = {"a": "ı", "ı": "ı", "o": "u", "u": "u", "e": "i", "i": "i", "ö": "ü", "ü": "ü"}  # i of four
VOICELESS = frozenset("fstkçşhp")
CASES = ("acc", "dat", "loc", "abl", "gen")
TENS = {20: "si", 30: "u", 40: "ı", 50: "si", 60: "ı", 70: "i", 80: "i"}  # possessed: yüzde 40'ı
SPOKEN = {  # foreign names take the suffixes that fit how they are said
    "Airways": "eyrveyz", "Felix": "feliks", "France": "frans", "Klein": "klayn", "Max": "maks", "Montreal": "montrel",
    "Sony": "soni",
}  # fmt: skip


class Turkish(Language):
    """Nouns, names: `acc dat loc abl gen`, bare by default; `a` (bir); `poss`, the thing possessed. Places: `was`.
    `da` (too) in a template is da or de."""

    code = "tr"
    numbers = "iki üç dört beş altı yedi sekiz dokuz".split()

    def fuse(self, tokens: list[Token]) -> list[Token]:
        """da or de, by the word before it."""
        return [
            replace(t, form="d" + low(SPOKEN.get(before.form, before.form))) if t.form == "da" else t
            for before, t in zip([tokens[0], *tokens], tokens, strict=False)
        ]

    def person(self, person: Person, forms: Sequence[str]) -> list[Token]:
        return apostrophed(super().person(person, forms), forms)

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        cell = name.entry["tr"]
        tokens = apostrophed(words(cell.removesuffix("+"), "PROPN"), forms, compound=cell.endswith("+"))
        return as_entity(tokens, ENTITY[name.entry.kind])

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        form = inflected(noun.entry["tr"], forms)
        adjective = [Token(noun.adjective["tr"], "ADJ")] if noun.adjective else []
        if number:
            return [Token(self.numbers[number - 2], "NUM"), *adjective, Token(form, "NOUN")]
        return [*adjective, *([Token("bir", "DET")] if "a" in forms else []), Token(form, "NOUN")]

    def phrase(self, phrase: Phrase, forms: Sequence[str]) -> list[Token]:
        """`was`: okulda, okuldaydı."""
        tokens = super().phrase(phrase, forms)
        if "was" in forms:
            tokens[-1] = replace(tokens[-1], form=f"{tokens[-1].form}yd{high(tokens[-1].form)}")
        return tokens

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        active, _, passive = verb.entry["tr"].partition("/")
        return words(passive if "pass" in forms else active, "VERB", mark="|")

    def figure(self, figure: Figure, forms: Sequence[str]) -> list[Token]:
        """`poss`: of a multiple of ten, with the suffix of what is possessed."""
        return [Token(f"{figure.value}'{TENS[figure.value]}" if "poss" in forms else str(figure.value), "NUM")]


def inflected(cell: str, forms: Sequence[str]) -> str:
    """A common noun with its suffixes; `kitap~kitab` has the stem before a vowel after the tilde."""
    bare, _, soft = cell.partition("~")
    case = case_of(forms)
    if "poss" in forms:
        ends_in_vowel = bare[-1] in BACK
        possessed = bare + "s" + high(bare) if ends_in_vowel else (soft or bare) + high(bare)
        return possessed + suffix(possessed, case, compound=True)
    ending = suffix(bare, case, compound=False)
    return (soft if soft and ending and ending[0] in BACK else bare) + ending


def apostrophed(tokens: list[Token], forms: Sequence[str], compound: bool = False) -> list[Token]:
    """A proper name: the suffix follows an apostrophe on its last word."""
    last = tokens[-1].form
    ending = suffix(SPOKEN.get(last, last), case_of(forms), compound)
    return [*tokens[:-1], Token(f"{last}'{ending}", tokens[-1].upos)] if ending else tokens


def case_of(forms: Sequence[str]) -> str:
    """The case asked for, "" where none is."""
    return next((form for form in forms if form in CASES), "")


def suffix(stem: str, case: str, compound: bool) -> str:
    """The suffix of a case. After the possessive suffix (`compound`) an n stands between."""
    if not case:
        return ""
    ends_in_vowel, i, a = lower(stem)[-1] in BACK, high(stem), low(stem)
    d = "t" if lower(stem)[-1] in VOICELESS else "d"
    if compound:
        return {"acc": f"n{i}", "dat": f"n{a}", "loc": f"nd{a}", "abl": f"nd{a}n", "gen": f"n{i}n"}[case]
    buffer_y, buffer_n = ("y", "n") if ends_in_vowel else ("", "")
    return {
        "acc": f"{buffer_y}{i}",
        "dat": f"{buffer_y}{a}",
        "loc": f"{d}{a}",
        "abl": f"{d}{a}n",
        "gen": f"{buffer_n}{i}n",
    }[case]


def high(stem: str) -> str:
    """ı, i, u or ü, by the last vowel."""
    return BACK[next(letter for letter in reversed(lower(stem)) if letter in BACK)]


def low(stem: str) -> str:
    """a or e, by the last vowel."""
    return "a" if high(stem) in "ıu" else "e"


def lower(text: str) -> str:
    """In lower case, with the Turkish pairs İ i and I ı."""
    return text.replace("İ", "i").replace("I", "ı").lower()
