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
    broken: int
    """Entities that lacked the beginning or the end that the scheme marks."""


def is_iob2(labels: Iterable[str]) -> bool:
    """True if a label set is that of entities in IOB2: `O`, `B-X`, `I-X`."""
    others = set(labels) - {OUTSIDE}
    return bool(others) and len(others) < len(set(labels)) and all(label[:2] in ("B-", "I-") for label in others)


PREFIXES = frozenset("".join(("BI", *WITH_ENDS.values())))
"""Prefixes of tags in all schemes."""


def find_scheme(sentences: Sequence[Sequence[str]]) -> str | None:
    """The scheme of all tags of a split: `IOB1`, `IOB2`, or one of `WITH_ENDS`; None for prefixes of no one scheme.

    IOB1 has an `I-` at the beginning of entities, and a `B-` only after a token of the same type; IOB2 a `B-` at the
    beginning. Where a split has both, its greater part decides: the published WikiANN has a few stray `I-` in Japanese
    and Chinese. A tag without a prefix is of no matter here: whoever checks the labels says where it is.
    """
    prefixes = prefixes_of(sentences)
    if not prefixes <= {"B", "I"}:
        return next((name for name, known in WITH_ENDS.items() if prefixes <= set(known)), None)
    begins_i = begins_b = 0
    for tags in sentences:
        for span in entity_spans(tags):
            if tags[span.start][0] == "I":
                begins_i += 1
            elif span.start == 0 or tags[span.start - 1][2:] != span.type:
                begins_b += 1
    return "IOB1" if begins_i > begins_b else "IOB2"


def prefixes_of(sentences: Iterable[Sequence[str]]) -> set[str]:
    """The prefixes of all tags: `B` of `B-PER`."""
    return {tag[0] for tag in set(chain.from_iterable(sentences)) if tag[1:2] == "-"}


def in_iob2(sentences: Sequence[Sequence[str]], scheme: str) -> InIob2:
    """The tags of a split that are in `scheme`, in IOB2; those that are in IOB2 stay as they are."""
    if scheme == "IOB2":
        return InIob2([list(tags) for tags in sentences], scheme, 0, 0)
    converted: list[list[str]] = []
    broken = 0
    for tags in sentences:
        new, lacking = _iob1(tags) if scheme == "IOB1" else _with_ends(tags)
        converted.append(new)
        broken += lacking
    pairs = zip(chain.from_iterable(sentences), chain.from_iterable(converted), strict=True)
    return InIob2(converted, scheme, sum(before != after for before, after in pairs), broken)


def _iob1(tags: Sequence[str]) -> tuple[list[str], int]:
    new = list(tags)
    for span in entity_spans(tags):
        new[span.start] = f"B-{span.type}"
    return new, 0


def _with_ends(tags: Sequence[str]) -> tuple[list[str], int]:
    """The tags of a sentence in IOB2, read by seqeval: an entity ends at an E- or S- too. And its broken entities."""
    from seqeval.metrics.sequence_labeling import get_entities

    same = [tag[0].translate(AS_IN_IOBES) + tag[1:] for tag in tags]
    new, broken = [OUTSIDE] * len(tags), 0
    for kind, start, last in get_entities(same):
        new[start : last + 1] = [f"B-{kind}", *[f"I-{kind}"] * (last - start)]
        broken += same[start][0] + same[last][0] != ("SS" if start == last else "BE")
    return new, broken
