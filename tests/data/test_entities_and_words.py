"""Entities and words against seqeval, Python's own pattern and counts by hand."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from xrobust.data.text import entity_chunks, entity_tokens, word_pattern
from xrobust.metrics.entities import entity_spans, strict_spans

SENTENCES = [
    {"id": "0", "tokens": "Anna Karenina leaves Moscow".split(), "tags": "B-PER I-PER O B-LOC".split()},
    {"id": "1", "tokens": "moscow leaves Moscow leaves".split(), "tags": "O O B-ORG O".split()},
]


@given(st.lists(st.sampled_from("O B-PER I-PER B-LOC I-LOC".split()), max_size=9))
def test_spans_are_the_entities_of_seqeval(tags: list[str]) -> None:
    assert [(span.type, span.start, span.stop - 1) for span in entity_spans(tags)] == get_entities(tags)


@given(st.lists(st.sampled_from("O B-PER I-PER B-LOC I-LOC".split()), max_size=9))
def test_strict_spans_are_the_entities_of_seqevals_strict_iob2(tags: list[str]) -> None:
    theirs = Entities([tags], IOB2).entities[0]
    assert strict_spans(tags) == [(e.start, e.end, e.tag) for e in theirs]


def test_what_is_counted() -> None:
    assert entity_chunks(SENTENCES) == {("Anna Karenina", "PER"): 1, ("Moscow", "LOC"): 1, ("Moscow", "ORG"): 1}
    assert entity_tokens(SENTENCES) == {
        ("Anna", "B-PER"): 1,
        ("Karenina", "I-PER"): 1,
        ("Moscow", "B-LOC"): 1,
        ("Moscow", "B-ORG"): 1,
    }


@given(st.text())
@settings(deadline=None, max_examples=40)
def test_words_without_marks_are_those_of_pythons_pattern(text: str) -> None:
    # Of characters that this Python does not know yet, `regex` may know more.
    known = (c for c in text if unicodedata.category(c) != "Cn")
    plain = "".join(c for c in known if unicodedata.category(c)[0] != "M" and c not in "\u200c\u200d")
    assert word_pattern().findall(plain) == re.findall(r"\w+", plain)


def test_every_character_that_python_knows() -> None:
    begins, goes_on = re.compile(r"\w").fullmatch, word_pattern().fullmatch
    for character in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(character)
        if category not in ("Cn", "Cs"):
            assert (goes_on(character) is None) == (begins(character) is None), ascii(character)
            inside = begins(character) is not None or category[0] == "M" or character in "\u200c\u200d"
            assert (goes_on("a" + character) is not None) == inside, ascii(character)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी में, लिखा।", ["हिन्दी", "में", "लिखा"]),
        ("«שָׁלוֹם» עולם", ["שָׁלוֹם", "עולם"]),
        ("می‌شود، است؟", ["می‌شود", "است"]),
        ("குழந்தை", ["குழந்தை"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("l’eau, 12.5", ["l", "eau", "12", "5"]),
    ],
)
def test_marks_belong_to_their_word(text: str, expected: list[str]) -> None:
    assert word_pattern().findall(text) == expected
