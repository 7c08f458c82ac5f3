"""What holds for any text in any script."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.contracts import Perturbation
from xrobust.evaluation.apply_perturbation import violation
from xrobust.registry.plugins import Plugins
from xrobust.testing.perturbations import kind_of
from xrobust_tasks.perturbations.shared.graphemes import clusters
from xrobust_tasks.perturbations.shared.scripts import is_mark
from xrobust_tasks.perturbations.shared.words import words

FORM = ("typos", "diacritics", "casing", "punctuation", "tokenization", "whitespace", "word_order")
"""Perturbations that need no data."""
LANGUAGES = "en de tr ru uk el ar fa ur he hi th ko ja zh vi".split()
BLOCKS = [
    *((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x17F), (0x300, 0x328), (0x384, 0x3CE), (0x400, 0x45F), (0x5B0, 0x5EA)),
    *((0x621, 0x655), (0x670, 0x6D3), (0x901, 0x970), (0xE01, 0xE4E), (0x1100, 0x11FF), (0x1EA0, 0x1EF9)),
    *((0x3041, 0x30FF), (0x4E00, 0x4E80), (0xAC00, 0xAD00), (0xFF01, 0xFF9F), (0x2010, 0x2026), (0x20, 0x40)),
    *((0x200B, 0x200F), (0x3000, 0x301C), (0x980, 0x9FF), (0x1F300, 0x1F320)),
]
CHARACTERS = st.one_of([st.characters(min_codepoint=a, max_codepoint=b, exclude_categories=["Cn"]) for a, b in BLOCKS])
TEXTS = st.text(st.one_of(CHARACTERS, st.characters(exclude_categories=["Cs"])), max_size=40)
TOKENS = st.lists(
    st.text(CHARACTERS, min_size=1, max_size=8).filter(lambda t: not any(map(str.isspace, t))), max_size=8
)


def perturbation(name: str, **params: Any) -> Perturbation:
    cls = Plugins().load("perturbations", name)
    return cls(cls.Params(**params))


def applied(p: Perturbation, example: Mapping[str, Any], language: str, seed: int) -> Mapping[str, Any] | None:
    before = repr(example)
    after = p.apply(example, language, random.Random(seed))
    assert repr(example) == before
    assert after == p.apply(example, language, random.Random(seed)), "another output from the same generator"
    if after is not None:
        assert violation(p, kind_of(example), example, after) is None
    return after


@pytest.mark.parametrize("name", FORM)
@settings(max_examples=25, deadline=None)
@given(text=TEXTS, pair=TEXTS, language=st.sampled_from(LANGUAGES), seed=st.integers(0, 3))
def test_any_text(name: str, text: str, pair: str, language: str, seed: int) -> None:
    example = {"id": "1", "text": text, "text_pair": pair, "label": "0"}
    after = applied(perturbation(name), example, language, seed)
    if after is not None:
        for column in ("text", "text_pair"):
            after[column].encode()  # no lone surrogate
            assert marks_without_a_base(after[column]) <= marks_without_a_base(example[column])


@pytest.mark.parametrize("name", [n for n in FORM if n not in ("word_order", "whitespace")])
@settings(max_examples=25, deadline=None)
@given(tokens=TOKENS, language=st.sampled_from(LANGUAGES), seed=st.integers(0, 3))
def test_any_tokens(name: str, tokens: list[str], language: str, seed: int) -> None:
    example = {"id": "1", "tokens": tokens, "tags": ["O"] * len(tokens)}
    after = applied(perturbation(name), example, language, seed)
    if after is not None:
        for old, new in zip(tokens, after["tokens"], strict=True):
            new.encode()
            assert marks_without_a_base(new) <= marks_without_a_base(old)


def marks_without_a_base(text: str) -> int:
    """How many words begin with a combining mark."""
    return sum(unicodedata.category(word[0])[0] == "M" for word in text.split())


@given(TEXTS)
def test_clusters_are_the_text(text: str) -> None:
    found = clusters(text)
    assert "".join(found) == text
    for before, cluster in pairwise(found):
        assert not is_mark(cluster[0]) or before[-1].isspace()


@given(TEXTS)
def test_words_are_where_they_say_in_order_and_apart(text: str) -> None:
    end = 0
    for word in words(text):
        assert end <= word.start < word.end
        assert text[word.start : word.end] == word.text
        assert unicodedata.category(word.text[0])[0] == "L"
        end = word.end
