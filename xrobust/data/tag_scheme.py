"""Schemes of entity tags: found out from a whole split, and converted to IOB2.

IOB1 (CoNLL-2003's own files) writes `I-` for every token of an entity, and `B-` only where two of one type touch; IOBES
and its kin mark an entity's last token and those of one token too. See Tjong Kim Sang & Veenstra, "Representing Text
Chunks" (EACL 1999).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from xrobust.metrics.entities import OUTSIDE, entity_spans

WITH_ENDS = {"IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}
"""Scheme that marks the ends of entities -> its prefixes."""
AS_IN_IOBES = str.maketrans("LUMW", "ESIS")
"""Prefixes of the other schemes -> those of IOBES."""


@dataclass(frozen=True)
class InIob2:
    """Tags in IOB2, and what was done to them."""

    tags: list[list[str]]
    scheme: str
    """Scheme that they were in."""
    changed: int
    """Tags that are others than before."""


def is_iob2(labels: Iterable[str]) -> bool:
    """True if a label set is that of entities in IOB2: `O`, `B-X`, `I-X`."""
    others = set(labels) - {OUTSIDE}
    return bool(others) and len(others) < len(set(labels)) and all(label[:2] in ("B-", "I-") for label in others)


def find_scheme(sentences: Sequence[Sequence[str]]) -> str:
    """The scheme of all tags of a split: `IOB1`, `IOB2`, or one of `WITH_ENDS`.

    IOB1 has an `I-` at the beginning of entities, and a `B-` only after a token of the same type; IOB2 a `B-` at the
    beginning. Where a split has both, its greater part decides: the published WikiANN has a few stray `I-` in Japanese
    and Chinese. A tag of none of these counts as IOB2: whoever checks the labels says where it is.
    """
    prefixes = {tag[0] for tag in set(chain.from_iterable(sentences)) if tag[1:2] == "-"}
    if not prefixes <= {"B", "I"}:
        return next((name for name, known in WITH_ENDS.items() if prefixes <= set(known)), "IOB2")
    begins_i = begins_b = 0
    for tags in sentences:
        for span in entity_spans(tags):
            if tags[span.start][0] == "I":
                begins_i += 1
            elif span.start == 0 or tags[span.start - 1][2:] != span.type:
                begins_b += 1
    return "IOB1" if begins_i > begins_b else "IOB2"


def to_iob2(sentences: Sequence[Sequence[str]]) -> InIob2 | None:
    """The tags of a split in IOB2, if they are in another scheme; None for IOB2, which stays as it is."""
    scheme = find_scheme(sentences)
    if scheme == "IOB2":
        return None
    converted = [_iob1(tags) if scheme == "IOB1" else _with_ends(tags) for tags in sentences]
    changed = sum(
        a != b for before, after in zip(sentences, converted, strict=True) for a, b in zip(before, after, strict=True)
    )
    return InIob2(converted, scheme, changed)


def _iob1(tags: Sequence[str]) -> list[str]:
    new = list(tags)
    for span in entity_spans(tags):
        new[span.start] = f"B-{span.type}"
    return new


def _with_ends(tags: Sequence[str]) -> list[str]:
    """The tags of a sentence in IOB2, read by seqeval: an entity ends at an E- or S- too."""
    from seqeval.metrics.sequence_labeling import get_entities

    new = [OUTSIDE] * len(tags)
    for kind, start, last in get_entities([tag[0].translate(AS_IN_IOBES) + tag[1:] for tag in tags]):
        new[start : last + 1] = [f"B-{kind}", *[f"I-{kind}"] * (last - start)]
    return new
