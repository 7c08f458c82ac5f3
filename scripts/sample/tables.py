"""Reads the tables: the words in lexicon/, the sentence structures in templates/, and the synonyms."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

LANGUAGES = ("en", "de", "es", "fr", "ru", "tr", "zh", "ja")
GENDERS = ("m", "f", "n")
Half = Literal["train", "held out"]
FOLDER = Path(__file__).parent
HEAD = re.compile(r"== (?P<split>train|dev|test) (?P<name>\w+) \| (?P<slots>.+)")
LINE = re.compile(r"(?P<language>[a-z]{2})(?P<part>[1hecngx+-]?): (?P<text>.+)")


def lines(path: Path) -> list[str]:
    """The lines of a table that are neither empty nor a comment."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


@dataclass(frozen=True)
class Word:
    """A concept in one language: its grammatical gender ("" where the table gives none), and its forms."""

    gender: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One concept: `extra` is the gender of a person, the country of a city, `firm` of an organisation that is one."""

    kind: str
    name: str
    extra: str
    words: tuple[Word, ...]

    def __getitem__(self, language: str) -> Word:
        return self.words[LANGUAGES.index(language)]


@cache
def entries() -> dict[str, tuple[Entry, ...]]:
    """All concepts by class, in the order of the tables."""
    by_kind: dict[str, list[Entry]] = defaultdict(list)
    for path in sorted((FOLDER / "lexicon").glob("*.txt")):
        for line in lines(path):
            entry = _entry(line)
            by_kind[entry.kind].append(entry)
    return {kind: tuple(rows) for kind, rows in by_kind.items()}


def entry(kind: str, name: str) -> Entry:
    """The concept of that class and name."""
    return next(e for e in entries()[kind] if e.name == name)


def half(name: Entry) -> Half | None:
    """Half of a name, training or dev and test: every other one of its class, a city with its country.

    None for a country, which belongs to both: there are too few.
    """
    if name.kind == "country":
        return None
    owner = entry("country", name.extra) if name.kind == "city" else name
    return "train" if entries()[owner.kind].index(owner) % 2 == 0 else "held out"


def _entry(line: str) -> Entry:
    head, *cells = line.split(" | ")
    kind, name, *extra = head.split()
    if len(cells) == 5:
        latin, ru, tr, zh, ja = cells
        cells = [latin, latin, latin, latin, ru, tr, zh, ja]
    if len(cells) != len(LANGUAGES):
        raise ValueError(f"{len(cells)} languages, {len(LANGUAGES)} expected: {line}")
    return Entry(kind, name, extra[0] if extra else "", tuple(_word(cell) for cell in cells))


def _word(cell: str) -> Word:
    gender, _, forms = cell.partition(" ")
    return Word(gender, tuple(forms.split(", "))) if gender in GENDERS else Word("", tuple(cell.split(", ")))


@dataclass
class Template:
    """A structure: its slots as (name, kind), and by language and part (`1 + -`, `h e n c g x`, or "") its text."""

    split: str
    name: str
    slots: tuple[tuple[str, str], ...]
    texts: dict[str, dict[str, str]] = field(default_factory=dict)


@cache
def templates(file: str, split: str) -> tuple[Template, ...]:
    """Reads the structures of a split (`tagging`, `pawsx` or `xnli`), checked for languages and parts."""
    structures: list[Template] = []
    for line in lines(FOLDER / "templates" / f"{file}.txt"):
        if head := HEAD.fullmatch(line):
            slots = tuple((name, kind) for name, kind in (slot.split(":") for slot in head["slots"].split()))
            structures.append(Template(head["split"], head["name"], slots))
        elif text := LINE.fullmatch(line):
            structures[-1].texts.setdefault(text["language"], {})[text["part"]] = text["text"]
        else:
            raise ValueError(f"{file}: {line}")
    parts = {"tagging": {""}, "pawsx": {"1", "+", "-"}, "xnli": {"h", "e", "n", "c"}}[file]
    optional = {"g", "x"} if file == "xnli" else set()
    for template in structures:
        languages = {"en"} if template.split == "train" else set(LANGUAGES)
        if set(template.texts) != languages or any(set(texts) - optional != parts for texts in template.texts.values()):
            raise ValueError(f"{file}: {template.name} lacks a language or a part")
    return tuple(template for template in structures if template.split == split)


def synonyms() -> dict[str, list[str]]:
    """{word: [synonym, ...]} in alphabetical order."""
    rows = (line.split(": ") for line in lines(FOLDER / "synonyms.txt"))
    return dict(sorted((word, others.split()) for word, others in rows))
