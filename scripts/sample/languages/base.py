"""What every language has: how slots and templates become tokens, and tokens text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..lexicon import Entry
from ..things import Figure, Name, Noun, Number, Person, Phrase, Thing, Verb
from ..tokens import Token, as_entity, capitalised, word, words

Slots = Mapping[str, Thing]
ENTITY = {"city": "LOC", "country": "LOC", "org": "ORG"}
GENDERS = ("m", "f", "n")


class Language:
    """Turns templates into tokens. A subclass gives the forms of one language.

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

    # Templates

    def sentence(self, template: str, slots: Slots) -> list[Token]:
        """The tokens of a template, with contractions made and the first letter upper case."""
        tokens: list[Token] = []
        for part in template.split():
            if part.startswith("{"):
                name, *forms = part.strip("{}").split(".")
                tokens += self.thing(slots[name], forms, slots)
            elif part.startswith("<"):
                tokens.append(self._agreeing(part, slots))
            else:
                tokens.append(word(part))
        return capitalised(self.fuse(tokens), dotted_i=self.code == "tr")

    def text(self, tokens: Sequence[Token]) -> str:
        """The sentence as it is written."""
        if not self.spaces:
            return "".join(t.form for t in tokens)
        written = ""
        for token in tokens:
            glue = not written or token.form in self.joined_left or self.open(written)
            written += token.form if glue else f" {token.form}"
        return written

    def open(self, written: str) -> bool:
        """Whether the next word follows without a space."""
        return written[-1] in self.joined_right

    def fuse(self, tokens: list[Token]) -> list[Token]:
        """Contractions and elisions; none here."""
        return tokens

    def _agreeing(self, part: str, slots: Slots) -> Token:
        found = re.fullmatch(r"<(\w+):([^>]+)>(/[A-Z]+)?", part)
        if found is None:
            raise ValueError(f"not a choice of forms: {part}")
        thing, forms = slots[found[1]], found[2].split("|")
        gender = self.gender(thing)
        if GENDERS.index(gender) >= len(forms):
            gender = self.natural_gender(thing)  # das Mädchen ... sie
        return word(forms[GENDERS.index(gender)] + (found[3] or ""))

    # Slots

    def thing(self, thing: Thing, forms: Sequence[str], slots: Slots) -> list[Token]:
        """The tokens of a filled slot in the form asked for."""
        if isinstance(thing, Person):
            return as_entity(self.person(thing, forms), "PER")
        if isinstance(thing, Name):
            return self.name(thing, forms)
        if isinstance(thing, Noun):
            number = next((slots[f] for f in forms if f in slots), None)
            return self.noun(thing, forms, number.value if isinstance(number, Number) else None)
        if isinstance(thing, Verb):
            subject = next((slots[f] for f in forms if f in slots), None)
            return self.verb(thing, forms, subject)
        if isinstance(thing, Phrase):
            return self.phrase(thing, forms)
        if isinstance(thing, Number):
            return self.number(thing)
        return self.figure(thing, forms)

    def gender(self, thing: Thing) -> str:
        """The grammatical gender: m, f or n."""
        if isinstance(thing, Person):
            return thing.first.extra
        if isinstance(thing, Noun | Name):
            return self.noun_gender(thing.entry)
        raise ValueError(f"{thing!r} has no gender")

    def natural_gender(self, thing: Thing) -> str:
        """The gender of a person."""
        if isinstance(thing, Person):
            return thing.first.extra
        if isinstance(thing, Noun):
            return thing.entry.extra
        raise ValueError(f"{thing!r} is no person")

    def noun_gender(self, entry: Entry) -> str:
        """The grammatical gender of a noun; where a language has none, that of the person."""
        return entry.extra if entry.extra in GENDERS else "n"

    def person(self, person: Person, forms: Sequence[str]) -> list[Token]:
        names = [person.first, *([person.last] if person.last else [])]
        return [Token(name[self.code], "PROPN") for name in names]

    def name(self, name: Name, forms: Sequence[str]) -> list[Token]:
        return as_entity(words(name.entry[self.code], "PROPN"), ENTITY[name.entry.kind])

    def noun(self, noun: Noun, forms: Sequence[str], number: int | None) -> list[Token]:
        raise NotImplementedError

    def verb(self, verb: Verb, forms: Sequence[str], subject: Thing | None) -> list[Token]:
        return words(verb.entry[self.code], "VERB", mark="|")

    def phrase(self, phrase: Phrase, forms: Sequence[str]) -> list[Token]:
        return [
            Token(t.form, t.upos or self.function_words.get(t.form, "NOUN")) for t in words(phrase.entry[self.code])
        ]

    def number(self, number: Number) -> list[Token]:
        return [Token(self.numbers[number.value - 2], "NUM")]

    def figure(self, figure: Figure, forms: Sequence[str]) -> list[Token]:
        return [Token(str(figure.value), "NUM")]


def contracted(tokens: list[Token], contractions: dict[tuple[str, str], str]) -> list[Token]:
    """Preposition and article in one, tagged as the preposition, as the XTREME files have them."""
    found: list[Token] = []
    for token in tokens:
        both = contractions.get((found[-1].form.lower(), token.form)) if found and token.entity == "O" else None
        if both:
            found[-1] = Token(both, found[-1].upos)
        else:
            found.append(token)
    return found
