"""Meaning of the names, numbers, times and places of the sample, in every form: read from a table that knows nothing of
the generator's lexicon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .russian_forms import CASES, LAST_NAMES, NAMES

LANGUAGES = ("en", "de", "es", "fr", "ru", "tr", "zh", "ja")
DOTS = ("·", "・")
CASE_OF_TURKISH = {  # the suffix of a name; which vowel is test_turkish's matter
    "acc": "'[yn]?[ıiuü]",
    "dat": "'[yn]?[ae]",
    "loc": "'n?[dt][ae]",
    "abl": "'n?[dt][ae]n",
    "gen": "'n?[ıiuü]n",
}


@dataclass(frozen=True)
class Known:
    """A row of the table: its English name, and by language the forms (in Russian by case where it has cases)."""

    kind: str
    english: str
    forms: dict[str, tuple[str, ...]]

    def in_case(self, language: str, case: str) -> tuple[str, ...]:
        """Its forms in a case; all forms where the table gives no cases."""
        forms = self.forms[language]
        return (forms[CASES.index(case)],) if language == "ru" and len(forms) == 6 else forms


def _known(line: str) -> Known:
    kind, *cells = line.split(" | ")
    if len(cells) == 4:
        latin, ru, zh, ja = cells
        cells = [latin, latin, latin, latin, ru, latin, zh, ja]
    forms = {language: tuple(cell.split("/")) for language, cell in zip(LANGUAGES, cells, strict=True)}
    paradigm = next((p for p in NAMES + LAST_NAMES if p[0] == forms["ru"][0]), None)
    if kind in ("FIRST", "LAST", "LOC"):
        assert paradigm is not None, line
        forms["ru"] = tuple(paradigm)
    return Known(kind, cells[0], forms)


@cache
def table() -> tuple[Known, ...]:
    text = (Path(__file__).parent / "gazetteer.txt").read_text(encoding="utf-8")
    return tuple(_known(line) for line in text.splitlines() if line and not line.startswith("#"))


@cache
def english(kind: str, language: str) -> dict[str, str]:
    """{form: English name} of a kind; a form that a sentence begins with is there too."""
    names: dict[str, str] = {}
    for known in table():
        if known.kind == kind:
            for form in known.forms[language]:
                first = "İ" if language == "tr" and form[0] == "i" else form[0].upper()
                names |= {form: known.english, first + form[1:]: known.english}
    return names


def kind_of(tokens: Sequence[str], language: str) -> str:
    """Type of a name, PER, LOC or ORG; "" if the table has no such name."""
    return identity(tuple(tokens), language)[0]


@cache
def identity(tokens: tuple[str, ...], language: str) -> tuple[str, str]:
    """Type of a name and its English form; both empty if the table has no such name."""
    words = list(tokens)
    if language == "tr":
        words[-1] = re.sub(f"(?:{'|'.join(CASE_OF_TURKISH.values())})$", "", words[-1])
    if place := english("LOC", language).get(" ".join(words)):
        return "LOC", place
    organisation = english("ORG", language).get(" ".join(word for word in words if word not in DOTS))
    dots = sum(word in DOTS for word in words)
    if organisation and dots == (len(words) // 2 if language == "ja" and dots else 0):
        return "ORG", organisation
    first, *last = words
    if language in ("zh", "ja") and last and last.pop(0) not in DOTS:
        return "", ""
    if language in ("zh", "ja") and len(words) == 2:  # a dot and nothing after it
        return "", ""
    parts = [english("FIRST", language).get(first), *(english("LAST", language).get(word) for word in last)]
    known = [part for part in parts if part is not None]
    return ("PER", " ".join(known)) if len(known) == len(parts) <= 2 else ("", "")


@cache
def name_words(language: str) -> frozenset[str]:
    """Every word that begins a name."""
    kinds = ("FIRST", "LOC", "ORG")
    return frozenset(form.split()[0] for kind in kinds for form in english(kind, language))


def pattern(kind: str, language: str, case: str = "") -> str:
    """A regular expression of all forms of a kind (PER, LOC, NUM, TIME, PLACE), in a case if the language has cases."""
    if kind == "PER":
        return _person(language, case)
    forms = [
        form
        for known in table()
        if known.kind == kind
        for form in (known.in_case(language, case or "nom") if kind == "LOC" else known.forms[language])
    ]
    if kind in ("NUM", "TIME", "PLACE"):
        forms += [form for form in english(kind, language) if form not in forms]
    stem = _one_of(forms)
    return stem + (CASE_OF_TURKISH[case] if language == "tr" and case and kind == "LOC" else "")


def _person(language: str, case: str) -> str:
    def names(kind: str) -> str:
        rows = [known for known in table() if known.kind == kind]
        forms = {form for known in rows for form in known.in_case(language, case or "nom")}
        if kind == "LAST" and language == "ru":
            forms |= {known.forms["ru"][0] for known in rows}  # a woman's
        return _one_of(forms)

    between = {"zh": "·", "ja": "・"}.get(language, " ")
    suffix = CASE_OF_TURKISH[case] if language == "tr" and case else ""
    return f"{names('FIRST')}(?:{between}{names('LAST')})?{suffix}"


def _one_of(forms: Sequence[str] | set[str]) -> str:
    return f"(?:{'|'.join(re.escape(form) for form in sorted(forms, key=lambda f: (-len(f), f)))})"


def name_in_english(text: str, kind: str, language: str) -> str:
    """The English name of a match of `pattern`."""
    if language == "tr":
        text = text.partition("'")[0] if kind in ("PER", "LOC") else text
    if kind != "PER":
        return english(kind, language)[text]
    first, *last = re.split("[ ·・]", text)
    return " ".join([english("FIRST", language)[first], *(english("LAST", language)[name] for name in last)])
