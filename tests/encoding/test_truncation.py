"""What `max_length` cuts away, counted, beside what the tokenizer itself gives with truncation and without."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import ARCHITECTURES, tokenizer

from xrobust.contracts.encoded import EncodedBuilder
from xrobust.encoding.truncation import Truncation, count_truncation, truncation_of, warn_of_truncation
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification

SEQUENCES = SequenceClassification(("no", "yes"))
CHOICES = MultipleChoice(("A", "B", "C"))
TAGGING = TokenClassification(("O", "X"))
TOKENIZERS = {name: tokenizer(name) for name in ARCHITECTURES}
TEXT = st.text("abc ", max_size=30)


def lost(pieces: Any, *texts: str, max_length: int) -> int:
    """Pieces of a text or a pair that the tokenizer leaves out when it truncates."""
    lists = [[text] for text in texts]
    whole, cut = (pieces(*lists, verbose=False, **how)["input_ids"][0] for how in ({}, longest(max_length)))
    return len(whole) - len(cut)


def longest(max_length: int) -> dict[str, Any]:
    return {"truncation": True, "max_length": max_length}


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", ARCHITECTURES)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), max_length=st.integers(8, 24))
@settings(max_examples=25)
def test_of_texts_and_pairs(name: str, side: str, pairs: list[tuple[str, str]], max_length: int) -> None:
    pieces = TOKENIZERS[name]
    pieces.truncation_side = side
    rows = [{"id": str(i), "text": a, "text_pair": b, "label": "no"} for i, (a, b) in enumerate(pairs)]
    single = [{"id": row["id"], "text": row["text"], "label": "no"} for row in rows]
    try:
        for examples, texts in ((rows, pairs), (single, [(a,) for a, _ in pairs])):
            encoded = SEQUENCES.encode(examples, pieces, max_length)
            expected = [lost(pieces, *text, max_length=max_length) for text in texts]
            assert encoded.cut is not None and encoded.cut.dtype == np.int32
            assert encoded.cut.tolist() == expected
            assert truncation_of(encoded, SEQUENCES, examples) == Truncation(
                encoded=len(texts), examples=sum(n > 0 for n in expected), pieces=sum(expected)
            )
    finally:
        pieces.truncation_side = "right"


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=4), max_length=st.integers(8, 24))
@settings(max_examples=25)
def test_of_choices_all_of_an_example_together(name: str, rows: list[tuple[str, ...]], max_length: int) -> None:
    pieces = TOKENIZERS[name]
    examples = [
        {"id": str(i), "text": text, "choices": choices, "label": "A"} for i, (text, *choices) in enumerate(rows)
    ]
    encoded = CHOICES.encode(examples, pieces, max_length)
    expected = [sum(lost(pieces, text, choice, max_length=max_length) for choice in choices) for text, *choices in rows]
    assert encoded.cut is not None and encoded.cut.tolist() == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(
    rows=st.lists(
        st.lists(st.text("abc", min_size=1, max_size=20) | st.just("\u200b"), max_size=6), min_size=1, max_size=4
    ),
    max_length=st.integers(8, 14),
)
@settings(max_examples=25)
def test_of_tags_a_token_longer_than_a_window_and_no_other(name: str, rows: list[list[str]], max_length: int) -> None:
    pieces = TOKENIZERS[name]
    examples = [{"id": str(i), "tokens": row, "tags": ["X"] * len(row)} for i, row in enumerate(rows)]
    encoded = TAGGING.encode(examples, pieces, max_length)
    alone = {"is_split_into_words": True, "verbose": False}
    expected = [
        sum(
            len(pieces([t], **alone)["input_ids"]) - len(pieces([t], **alone, **longest(max_length))["input_ids"])
            for t in row
        )
        for row in rows
    ]
    assert encoded.cut is not None
    assert np.bincount(encoded.example, encoded.cut, len(rows)).tolist() == expected
    assert truncation_of(encoded, TAGGING, examples) == Truncation(
        encoded=len(rows), examples=sum(n > 0 for n in expected), pieces=sum(expected), tokens=0
    )


class Beheading(TokenClassification):
    """Sentences cut at `max_length`, as many scripts cut them: the tokens behind have no place in the input."""

    def encode(self, examples: Any, tokenizer: Any, max_length: int) -> Any:
        builder = EncodedBuilder(token_types=False, per_token=True)
        for index, example in enumerate(examples):
            kept = len(example["tokens"][:max_length])
            builder.sequence(list(range(kept)), [0] * kept, None)
            builder.item(index, [0] * kept, cut=len(example["tokens"]) - kept)
        return builder.build()


def test_gold_tokens_that_are_in_no_input_are_counted() -> None:
    examples = [{"id": str(n), "tokens": ["a"] * n, "tags": ["O"] * n} for n in (2, 5, 9)]
    encoded = Beheading(("O", "X")).encode(examples, None, 4)
    found = truncation_of(encoded, TAGGING, examples)
    assert found == Truncation(encoded=3, examples=2, pieces=6, tokens=6)
    assert found is not None and found.share == pytest.approx(2 / 3)
    assert count_truncation(encoded, 3) == Truncation(encoded=3, examples=2, pieces=6, tokens=None)


def test_a_kind_that_does_not_count_leaves_it_unknown() -> None:
    builder = EncodedBuilder(token_types=False, per_token=False)
    for index in range(2):
        builder.sequence([1, 2], [0, 0], None)
        builder.item(index, [0], cut=3 if index else None)
    encoded = builder.build()
    assert encoded.cut is None, "one item was not counted"
    assert count_truncation(encoded, 2) is None
    assert count_truncation(replace(encoded, cut=np.array([0, 3], dtype=np.int32)), 2) is not None


def test_no_examples() -> None:
    encoded = SEQUENCES.encode([], TOKENIZERS["bert"], 12)
    found = truncation_of(encoded, SEQUENCES, [])
    assert found == Truncation(encoded=0, examples=0, pieces=0) and found.share == 0


def said(caplog: pytest.LogCaptureFixture, found: Truncation | None, limit: int = 512) -> Sequence[str]:
    caplog.clear()
    caplog.set_level(logging.WARNING, "xrobust")
    warned = warn_of_truncation("wikiann test de", found, 128, limit)
    assert warned == bool(caplog.records)
    return [record.getMessage() for record in caplog.records]


def test_the_log_says_what_is_cut_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    much = Truncation(encoded=2000, examples=21, pieces=1234, tokens=None)
    assert said(caplog, much) == [
        "wikiann test de: max_length 128 cuts 21 of 2,000 examples (1.1%, 1,234 word pieces in all): a run with "
        "--set training.max_length=N takes more, up to 512"
    ]
    (line,) = said(caplog, much.model_copy(update={"tokens": 40}), limit=128)
    assert line.endswith("1,234 word pieces and 40 tokens in all): which is all that the model takes")
    for little in (None, Truncation(encoded=2000, examples=20, pieces=9), Truncation(encoded=0, examples=0, pieces=0)):
        assert said(caplog, little) == []
