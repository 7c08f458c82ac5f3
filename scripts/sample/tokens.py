"""Tokens of a sentence, and the written notation of templates and lexicon for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

UPOS = frozenset("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())


@dataclass(frozen=True)
class Token:
    """A word with its universal part of speech ("" where nothing needs it) and its IOB2 tag of a named entity."""

    form: str
    upos: str = ""
    entity: str = "O"

    def __post_init__(self) -> None:
        if not self.form or self.form != self.form.strip() or (self.upos and self.upos not in UPOS):
            raise ValueError(f"not a token: {self!r}")


def word(text: str, upos: str = "") -> Token:
    """`form/TAG` or a form alone, which gets `upos`."""
    form, slash, tag = text.rpartition("/")
    return Token(form, tag) if slash and tag in UPOS else Token(text, upos)


def words(text: str, upos: str = "") -> list[Token]:
    """Every word of `text`, split at spaces."""
    return [word(part, upos) for part in text.split()]


def as_entity(tokens: Iterable[Token], kind: str) -> list[Token]:
    """The tokens as one named entity of `kind` (PER, ORG, LOC)."""
    return [replace(t, entity=f"{'I' if i else 'B'}-{kind}") for i, t in enumerate(tokens)]


def capitalised(tokens: list[Token], dotted_i: bool = False) -> list[Token]:
    """The tokens with the first letter of the sentence upper case (Turkish `i` keeps its dot). After a figure that a
    sentence begins with, the next word stays as it is."""
    for i, token in enumerate(tokens):
        if token.form[0].isdigit():
            break
        if token.form[0].isalpha():
            first = "İ" if dotted_i and token.form[0] == "i" else token.form[0].upper()
            return [*tokens[:i], replace(token, form=first + token.form[1:]), *tokens[i + 1 :]]
    return tokens
