"""The words of the sample, read from the tables beside this file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

LANGUAGES = ("en", "de", "es", "fr", "ru", "tr", "zh", "ja")
Half = Literal["train", "held out"]
LATIN = frozenset({"en", "de", "es", "fr", "tr"})


@dataclass(frozen=True)
class Entry:
    """One concept: `extra` is the gender of a person, the country of a city or the class of an adjective."""

    kind: str
    name: str
    extra: str
    cells: tuple[str, ...]

    def __getitem__(self, language: str) -> str:
        return self.cells[LANGUAGES.index(language)]


@cache
def entries() -> dict[str, tuple[Entry, ...]]:
    """All concepts by class, in the order of the tables."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                entry = _entry(line)
                found[entry.kind].append(entry)
    return {kind: tuple(rows) for kind, rows in found.items()}


def entry(kind: str, name: str) -> Entry:
    """The concept of that class and name."""
    return next(e for e in entries()[kind] if e.name == name)


def half(name: Entry) -> Half | None:
    """Whether a name belongs to training or to dev and test: every other one of its class, a city with its country.

    None for a country, which belongs to both: there are too few.
    """
    if name.kind == "country":
        return None
    owner = entry("country", name.extra) if name.kind == "city" else name
    return "train" if entries()[owner.kind].index(owner) % 2 == 0 else "held out"


def _entry(line: str) -> Entry:
    head, *cells = (cell.strip() for cell in line.split(" | "))
    kind, name, *extra = head.split()
    if len(cells) == 4:  # latin, ru, zh, ja
        latin, ru, zh, ja = cells
        cells = [latin, latin, latin, latin, ru, latin, zh, ja]
    if len(cells) != len(LANGUAGES):
        raise ValueError(f"{len(cells)} languages, {len(LANGUAGES)} expected: {line}")
    return Entry(kind, name, extra[0] if extra else "", tuple(cells))
