"""Fillers of the slots of a template: an entry of the lexicon by itself, or one of these."""

from __future__ import annotations

from dataclasses import dataclass

from .tables import Entry


@dataclass(frozen=True)
class Noun:
    """A common noun with the adjective before or after it."""

    entry: Entry
    adjective: Entry | None = None


@dataclass(frozen=True)
class Person:
    """A person's name, with or without the surname."""

    first: Entry
    last: Entry | None = None


@dataclass(frozen=True)
class Number:
    """A number of things, 2 to 9."""

    value: int


@dataclass(frozen=True)
class Figure:
    """A number in figures: a year, a percentage."""

    value: int


Thing = Entry | Noun | Person | Number | Figure
