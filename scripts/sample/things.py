"""What fills the slots of a template."""

from __future__ import annotations

from dataclasses import dataclass

from .lexicon import Entry


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
class Name:
    """A city, a country or an organisation."""

    entry: Entry


@dataclass(frozen=True)
class Phrase:
    """An adverbial that is whole in the lexicon."""

    entry: Entry


@dataclass(frozen=True)
class Verb:
    """A verb of the lexicon, in the past."""

    entry: Entry


@dataclass(frozen=True)
class Number:
    """A number of things, 2 to 9."""

    value: int


@dataclass(frozen=True)
class Figure:
    """A number in figures: a year, a percentage."""

    value: int


Thing = Noun | Person | Name | Phrase | Verb | Number | Figure
