"""Base of all languages: turns slots and templates into tokens, and tokens into text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..tables import GENDERS, Entry
from ..things import Figure, Noun, Number, Person, Thing
from ..tokens import Token, as_entity, capitalised, word, words

Slots = Mapping[str, Thing]
ENTITY = {"city": "LOC", "country": "LOC", "org": "ORG"}


class Language:
    """Turns templates into tokens. A subclass says how the words of one language stand together.

    In a template, `word/TAG` stands for itself, `{A.acc}` for slot A in the form asked for, and `<A:he|she|it>/TAG`
    for the word that agrees with slot A in gender. A form that is a slot's name (`{N.K}`, `{V.A}`) brings that slot in:
    the number of N, the subject of V.
    """

    code: str
    spaces = True
    function_words: Mapping[str, str] = {}
    joined_left = frozenset(". , ? ! : ; %".split())
    joined_right: frozenset[str] = frozenset()
    numbers: Sequence[str] = ()
    dot: Token | None = None
    """Token between the parts of a person's name."""
    contractions: Mapping[tuple[str, str], str] = {}
    """Preposition and article in one, tagged as the preposition, as the XTREME files have them."""
    places: Mapping[str, int] = {}
    """Form that a template asks for -> its index among the forms in the lexicon."""

    # Templates

    def sentence(self, template: str, slots: Slots) -> list[Token]:
        """The tokens of a template, with contractions made and the first letter upper case."""
        tokens: list[Token] = []
        for part in template.split():
            if part.startswith("{"):
                name, *asked = part.strip("{}").split(".")
                tokens += self.thing(slots[name], asked, next((slots[form] for form in asked if form in slots), None))
            elif part.startswith("<"):
                tokens.append(self._agreeing(part, slots))
            else:
                tokens.append(word(part))
        return capitalised(self._fused(tokens), dotted_i=self.code == "tr")

    def text(self, tokens: Sequence[Token]) -> str:
        """The written sentence."""
        if not self.spaces:
            return "".join(t.form for t in tokens)
        written = ""
        for token in tokens:
            glue = not written or token.form in self.joined_left or written[-1] in self.joined_right
            written += token.form if glue else f" {token.form}"
        return written

    def before(self, form: str, after: str) -> str:
        """The form that a word takes before another: a, an."""
        return form

    def _fused(self, tokens: list[Token]) -> list[Token]:
        """Changes words before the next one (de l'hôtel), then makes contractions (de le musée: du)."""
        fused: list[Token] = []
        for token, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
            token = replace(token, form=self.before(token.form, after.form))
            both = self.contractions.get((fused[-1].form.lower(), token.form)) if fused else None
            if both and token.entity == "O":
                fused[-1] = Token(both, fused[-1].upos)
            else:
                fused.append(token)
        return fused

    def _agreeing(self, part: str, slots: Slots) -> Token:
        match = re.fullmatch(r"<(\w+):([^>]+)>(/[A-Z]+)?", part)
        if match is None:
            raise ValueError(f"not a choice of forms: {part}")
        thing, forms = slots[match[1]], match[2].split("|")
        gender = self.gender(thing)
        if GENDERS.index(gender) >= len(forms):
            gender = _person_or_noun(thing).extra  # das Mädchen ... sie
        return word(forms[GENDERS.index(gender)] + (match[3] or ""))

    # Slots

    def thing(self, thing: Thing, asked: Sequence[str], other: Thing | None) -> list[Token]:
        """The tokens of a filled slot in the form asked for; `other` is the slot that the form brings in."""
        if isinstance(thing, Person):
            return as_entity(self.person(thing, asked), "PER")
        if isinstance(thing, Noun):
            return self.noun(thing, asked, other.value if isinstance(other, Number) else None)
        if isinstance(thing, Number):
            return [self.numeral(thing.value)]
        if isinstance(thing, Figure):
            return self.figure(thing, asked)
        if thing.kind in ENTITY:
            return self.name(thing, asked)
        return self.verb(thing, asked, other) if thing.kind in ("act", "deal") else self.phrase(self.form(thing, asked))

    def gender(self, thing: Thing) -> str:
        """The grammatical gender, m, f or n; where a language has none, that of the person."""
        entry = _person_or_noun(thing)
        return entry[self.code].gender or entry.extra

    def form(self, entry: Entry, asked: Sequence[str]) -> str:
        """The form asked for, as the lexicon has it; the first one if none is. What has one form has it for all."""
        forms = entry[self.code].forms
        return forms[next((self.places[form] for form in asked if form in self.places), 0) if len(forms) > 1 else 0]

    def person(self, person: Person, asked: Sequence[str]) -> list[Token]:
        first = Token(self.form(person.first, asked), "PROPN")
        if person.last is None:
            return [first]
        return [first, *([self.dot] if self.dot else []), Token(self.form(person.last, asked), "PROPN")]

    def name(self, entry: Entry, asked: Sequence[str]) -> list[Token]:
        """A name. Small words before it, as articles, are no part of it."""
        tokens = words(self.form(entry, asked), "PROPN")
        start = next(i for i, token in enumerate(tokens) if not token.form.islower())
        small = self.phrase(" ".join(token.form for token in tokens[:start]))
        return [*small, *as_entity(tokens[start:], ENTITY[entry.kind])]

    def noun(self, noun: Noun, asked: Sequence[str], number: int | None) -> list[Token]:
        raise NotImplementedError

    def verb(self, entry: Entry, asked: Sequence[str], subject: Thing | None) -> list[Token]:
        """A verb in the past: one form, or active of a man and a woman, passive (`pass`) of a man and a woman."""
        forms = entry[self.code].forms
        if len(forms) > 1:
            forms = forms[2:] if "pass" in asked else forms[:2]
        if len(set(forms)) > 1 and subject is None:
            raise ValueError(f"{forms[0]} agrees with its subject")
        return words(forms[-1 if subject and self.gender(subject) == "f" else 0], "VERB")

    def phrase(self, text: str) -> list[Token]:
        """Words of which those without a tag are function words, or nouns."""
        return [Token(t.form, t.upos or self.function_words.get(t.form, "NOUN")) for t in words(text)]

    def numeral(self, number: int) -> Token:
        return Token(self.numbers[number - 2], "NUM")

    def figure(self, figure: Figure, asked: Sequence[str]) -> list[Token]:
        return [Token(str(figure.value), "NUM")]


def _person_or_noun(thing: Thing) -> Entry:
    if isinstance(thing, Person):
        return thing.first
    if isinstance(thing, Noun):
        return thing.entry
    raise ValueError(f"{thing!r} has no gender")
