"""Entities in a sentence's tags, as conlleval and seqeval read them by default.

Plain Python, of no other module: data sets and perturbations read entities as the metrics do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OUTSIDE = "O"
"""The tag of a token that belongs to no entity."""


class Span(NamedTuple):
    """An entity: the tokens `start` to `stop` (exclusive) of a sentence."""

    start: int
    stop: int
    type: str


def entity_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence whose tags are `O`, `B-X` and `I-X`.

    An entity begins at a `B-X`, and at an `I-X` that continues none of its type: conlleval's reading (CoNLL-2000's
    scorer) and seqeval's default.
    """
    spans: list[Span] = []
    start, kind = 0, ""  # of the entity that is open; no type: none is
    for i, tag in enumerate(tags):
        if tag == OUTSIDE:
            if kind:
                spans.append(Span(start, i, kind))
                kind = ""
            continue
        prefix, _, found = tag.partition("-")
        if prefix != "I" or found != kind:
            if kind:
                spans.append(Span(start, i, kind))
            start, kind = i, found
    if kind:
        spans.append(Span(start, len(tags), kind))
    return spans


def strict_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence that begin with a `B-X`: seqeval's strict mode with scheme IOB2."""
    return [span for span in entity_spans(tags) if tags[span.start][0] == "B"]
