"""Fills the slots of a template with random words, so that every sentence makes sense."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .tables import Entry, Half, Template, entries, entry, half
from .things import Figure, Noun, Number, Person, Thing

T = TypeVar("T")

# Nouns that an adjective or a verb does not go with. A word without a row goes with everything.
PAPER = frozenset({"letter", "newspaper", "map"})
COLOURLESS = PAPER | {"key", "mirror", "ring", "painting", "knife", "guitar", "computer"}
UNFIT = {
    "expensive": frozenset({"letter", "newspaper", "key", "box", "bottle"}),
    "beautiful": frozenset({"newspaper", "key", "knife", "phone"}),
    "big": frozenset({"newspaper", "key", "ring", "letter"}),
    "small": frozenset({"newspaper", "letter"}),
    "heavy": PAPER | {"ring", "key", "hat", "shirt", "guitar", "umbrella", "knife", "phone", "painting"},
    **dict.fromkeys(("red", "blue", "black", "white"), COLOURLESS),
    "young": frozenset({"grandmother"}),
    "famous": frozenset({"student", "tourist", "girl", "woman", "man", "nurse", "driver", "grandmother", "farmer"}),
    "buy": frozenset({"letter"}),
    "sell": frozenset({"letter"}),
    "choose": frozenset({"letter", "key"}),
    "repair": PAPER | {"book", "bottle", "key", "ring", "painting", "shirt", "knife", "hat"},
    "hide": frozenset({"car", "table", "chair"}),
    "lose": frozenset({"table", "mirror", "lamp", "car", "painting"}),
}
GROUPS = {  # kinds of slots that are filled by some of a class
    "gift": ("obj", "book painting bicycle lamp hat bag guitar umbrella phone computer shirt ring"),
    "handy": ("obj", "book map hat bag newspaper letter box phone shirt umbrella"),
    "fruit": ("food", "apple pear orange banana"),
    "loose": ("food", "apple pear orange banana egg"),  # things that lie, not stand, on a table
    "house": ("pet", "dog cat rabbit"),
    "day": ("past", "yesterday this_morning monday tuesday wednesday friday saturday"),
}


@dataclass
class Draw:
    """Random draws that are the same on every machine and in every Python: of `random`, only `random()` is promised."""

    rng: random.Random
    names: Half | None = None
    """The half of the names to draw from; None for all of them."""

    def name(self, kind: str) -> Entry:
        return self.of([e for e in among(kind) if self.may(e)])

    def may(self, name: Entry) -> bool:
        return self.names is None or half(name) in (None, self.names)

    def below(self, n: int) -> int:
        return int(self.rng.random() * n)

    def of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def shuffled(self, items: Sequence[T]) -> list[T]:
        left, drawn = list(items), []
        while left:
            drawn.append(left.pop(self.below(len(left))))
        return drawn


def among(kind: str) -> Sequence[Entry]:
    """The entries of a class or a group."""
    if kind == "firm":
        return [e for e in entries()["org"] if e.extra == "firm"]
    if kind in GROUPS:
        owner, names = GROUPS[kind]
        return [e for e in entries()[owner] if e.name in names.split()]
    return entries()[kind]


def fill(template: Template, draw: Draw) -> dict[str, Thing]:
    """Things for all slots of a template that go with each other, no two of a kind the same."""
    while True:
        slots: dict[str, Thing] = {}
        for name, kind in template.slots:
            slots[name] = _thing(kind, slots, draw)
        if _fit(slots):
            return slots


def _thing(kind: str, slots: dict[str, Thing], draw: Draw) -> Thing:
    if kind == "per":
        last = draw.name("last") if draw.chance(0.5) else None
        return Person(draw.name("first"), last)
    if kind.startswith("num"):
        return Number(_number(kind, slots, draw))
    if kind in ("year", "percent", "hundreds"):
        low, step, count = {"year": (1985, 1, 40), "percent": (20, 10, 7), "hundreds": (100, 50, 30)}[kind]
        return Figure(low + step * draw.below(count))
    if kind in ("city@L", "country@C"):
        return _of_country(kind, slots, draw)
    if kind in ("city", "country", "org", "firm"):
        return draw.name(kind)
    if kind in ("past", "day", "place", "act", "deal"):
        return draw.of(among(kind))
    return _noun(kind, draw)


def _number(kind: str, slots: dict[str, Thing], draw: Draw) -> int:
    """`num` 2 to 9; `num3` 3 to 8; `num<K`, `num>K` below or above the number in K."""
    low, high = (3, 8) if kind == "num3" else (2, 9)
    if kind[3:4] in ("<", ">"):
        other = slots[kind[4:]]
        assert isinstance(other, Number)
        low, high = (2, other.value - 1) if kind[3] == "<" else (other.value + 1, 9)
    return low + draw.below(high - low + 1)


def _of_country(kind: str, slots: dict[str, Thing], draw: Draw) -> Entry:
    """The country of the city in C, or a city of the country in L."""
    other = slots[kind[-1]]
    assert isinstance(other, Entry)
    if kind == "country@C":
        return entry("country", other.extra)
    cities = [e for e in entries()["city"] if e.extra == other.name and draw.may(e)]
    return draw.of(cities) if cities else other  # the same thing twice: all slots are filled once more


def _noun(kind: str, draw: Draw) -> Noun:
    """A common noun; with `+adj`, two times of three with an adjective that it goes with."""
    kind, _, adjective = kind.partition("+")
    noun = draw.of(among(kind))
    if not adjective or not draw.chance(2 / 3):
        return Noun(noun)
    fitting = entries()["of-people" if kind == "who" else "of-things"]
    return Noun(noun, draw.of([e for e in fitting if noun.name not in UNFIT.get(e.name, ())]))


def _fit(slots: dict[str, Thing]) -> bool:
    """True if no two slots hold the same thing, and verbs take the things beside them."""
    things = list(slots.values())
    nouns = [t.entry.name for t in things if isinstance(t, Noun)]
    words = [t for t in things if isinstance(t, Entry)]
    if any(noun in UNFIT.get(word.name, ()) for word in words for noun in nouns):
        return False
    people = [t for t in things if isinstance(t, Person)]
    same: list[Entry | int] = [*words, *(t.entry for t in things if isinstance(t, Noun))]
    same += [t.value for t in things if isinstance(t, Number | Figure)]
    same += [name for t in people for name in (t.first, t.last) if name is not None]
    return len(set(same)) == len(same)
