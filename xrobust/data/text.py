"""Entities of tagged sentences and words of texts, by which data sets are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from xrobust.contracts import Example
from xrobust.metrics.entities import OUTSIDE, entity_spans

if TYPE_CHECKING:
    import regex

JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: letters to a reader of Persian or Sinhala, and no punctuation."""


def entity_chunks(examples: Iterable[Example]) -> Counter[tuple[str, str]]:
    """(text, type) of each entity -> how often it occurs. The text is its tokens joined by spaces, case and all."""
    return Counter(
        (" ".join(example["tokens"][span.start : span.stop]), span.type)
        for example in examples
        for span in entity_spans(example["tags"])
    )


def entity_tokens(examples: Iterable[Example]) -> Counter[tuple[str, str]]:
    """(token, tag) of each token with an entity's tag -> how often it occurs, case and all.

    The "non-unique entity chunks" of Manafi & Krishnaswamy (LREC-COLING 2024) are the occurrences of these.
    """
    return Counter(
        (token, tag)
        for example in examples
        for token, tag in zip(example["tokens"], example["tags"], strict=True)
        if tag != OUTSIDE
    )


@cache
def word_pattern() -> regex.Pattern[str]:
    r"""Runs of letters, marks, numbers and low lines: `\w+` of `re`, with the marks that it leaves out.

    Without marks an Indic word would be cut at each of its vowel signs, and a pointed Hebrew one at each of its points.
    """
    import regex  # at its first use: `xrobust list` imports this module, and does without

    return regex.compile(rf"[\p{{L}}\p{{N}}_][\p{{L}}\p{{N}}\p{{M}}_{JOINERS}]*")
