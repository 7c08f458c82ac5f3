"""Russian."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..lexicon import Entry
from ..things import Figure, Name, Noun, Person, Thing, Verb
from ..tokens import Token, as_entity
from .base import ENTITY, Language

CASES = ("nom", "gen", "dat", "acc", "ins", "prep")
HARD_BEFORE_I = "гкхжшчщ"  # after these ы is written и
VO = re.compile(r"[вф][бвгджзклмнпрстфхцчшщ]", re.IGNORECASE)  # во Франции, but в Варшаве


class Russian(Language):
    """Nouns, names: the six cases, `nom` by default. Verbs: past, active or `pass` (short participle), with subject."""

    code = "ru"
    numbers = "два три четыре пять шесть семь восемь девять".split()
    function_words = {"в": "ADP", "во": "ADP", "на": "ADP"}

    def fuse(self, tokens: list[Token]) -> list[Token]:
        return [
            replace(t, form="во") if t.form == "в" and VO.match(after.form) else t
            for t, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True)
        ]

    def noun_gender(self, entry: Entry) -> str:
        gender = entry["ru"].split()[0]
        if entry.kind in ("org", "city", "country"):
            return gender if gender in ("m", "f", "n") else "f"  # компания
        return gender[0]

    def person(self, person: Person, forms: Sequence[str]) -> list[Token]:
        """A woman's surname that ends in a consonant is not declined, nor one in -и of anybody."""
        case, gender = case_of(forms), person.first.extra
        tokens = [Token(declined_name(person.first["ru"], gender)[case], "PROPN")]
        if person.last:
            last = person.last["ru"]
            tokens.append(Token(last if gender == "f" else declined_name(last, "m")[case], "PROPN"))
        return tokens

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        case, cell, kind = case_of(forms), name.entry["ru"], ENTITY[name.entry.kind]
        if kind == "LOC":
            six = cell.split()
            return [Token(six[case] if len(six) == 6 else declined_name(cell, "")[case], "PROPN", f"B-{kind}")]
        gender, space, rest = cell.partition(" ")
        if not space or gender not in ("m", "f"):
            company = Token(declined("компания", "f", animate=False)[case], "NOUN")
            return [company, *as_entity([Token(part, "PROPN") for part in cell.split()], kind)]
        six = rest.split(",")
        parts = (six[case] if len(six) == 6 else rest).split()
        return as_entity([Token(part, "PROPN") for part in parts], kind)

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        kind, rest = noun.entry["ru"].split(" ", 1)
        gender, animate = kind[0], kind[1] == "a"
        singular, plural_genitive = rest.split("/")
        six = singular.split() if " " in singular else declined(singular, gender, animate)
        case = case_of(forms)
        if number:
            if CASES[case] not in ("nom", "acc") or (animate and CASES[case] == "acc") or noun.adjective:
                raise ValueError("a number goes with a bare noun in the nominative, or inanimate in the accusative")
            two = "две" if number == 2 and gender == "f" else self.numbers[number - 2]
            return [Token(two, "NUM"), Token(six[1] if number < 5 else plural_genitive, "NOUN")]
        tokens = [Token(six[case], "NOUN")]
        if noun.adjective:
            tokens.insert(0, Token(declined_adjective(noun.adjective["ru"], gender, animate)[case], "ADJ"))
        return tokens

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        found = verb.entry["ru"].split("/")
        if subject is None:
            raise ValueError("a past form agrees with its subject")
        return [Token(found[2 * ("pass" in forms) + (self.gender(subject) == "f")], "VERB")]

    def figure(self, figure: Figure, forms: Sequence[str]) -> list[Token]:
        """`year`: an ordinal (в 1998 году), an adjective in UD."""
        return [Token(str(figure.value), "ADJ" if "year" in forms else "NUM")]


def case_of(forms: Sequence[str]) -> int:
    """The place of the case asked for; that of the nominative where none is."""
    return next((CASES.index(form) for form in forms if form in CASES), 0)


def declined_name(name: str, gender: str) -> list[str]:
    """The six cases of a name. A city in -ь that is feminine has its forms in the lexicon."""
    if name[-1] in "оиу" or name.isupper():
        return [name] * 6
    return declined(name, "f" if name[-1] in "ая" else "m", animate=bool(gender))


def declined(noun: str, gender: str, animate: bool) -> list[str]:
    """The six cases of the singular, by the regular declensions."""
    stem, last = noun[:-1], noun[-1]
    if gender == "f" and noun.endswith("ия"):
        return [noun, stem + "и", stem + "и", stem + "ю", stem + "ей", stem + "и"]
    if gender == "f" and last == "я":
        return [noun, stem + "и", stem + "е", stem + "ю", stem + "ей", stem + "е"]
    if gender == "f" and last == "а":
        i = "и" if stem[-1] in HARD_BEFORE_I else "ы"
        return [noun, stem + i, stem + "е", stem + "у", stem + ("ей" if stem[-1] in "жшчщц" else "ой"), stem + "е"]
    if gender == "f" and last == "ь":
        return [noun, stem + "и", stem + "и", noun, noun + "ю", stem + "и"]
    if gender == "n" and last == "о":
        return [noun, stem + "а", stem + "у", noun, stem + "ом", stem + "е"]
    if gender != "m":
        raise ValueError(f"no regular declension of {noun!r}")
    if last in "йь":
        six = [noun, stem + "я", stem + "ю", noun, stem + "ем", stem + "е"]
    else:
        six = [noun, noun + "а", noun + "у", noun, noun + "ом", noun + "е"]
    return [*six[:3], six[1] if animate else noun, *six[4:]]


def declined_adjective(adjective: str, gender: str, animate: bool) -> list[str]:
    """The six cases of the singular that agree with a noun."""
    stem = adjective[:-2]
    if adjective.endswith("ний"):  # синий
        oblique = ["его", "ему", "им", "ем"] if gender != "f" else ["ей", "ей", "ей", "ей"]
        nominative = {"m": "ий", "f": "яя", "n": "ее"}[gender]
        feminine_accusative = "юю"
    else:
        i = "и" if stem[-1] in HARD_BEFORE_I else "ы"
        oblique = ["ого", "ому", f"{i}м", "ом"] if gender != "f" else ["ой", "ой", "ой", "ой"]
        nominative = {"m": adjective[-2:], "f": "ая", "n": "ое"}[gender]
        feminine_accusative = "ую"
    accusative = feminine_accusative if gender == "f" else oblique[0] if gender == "m" and animate else nominative
    return [stem + end for end in (nominative, oblique[0], oblique[1], accusative, oblique[2], oblique[3])]
