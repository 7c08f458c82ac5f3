"""Sequence classification and multiple choice against transformers' own encoding, and padded batches of all kinds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import ARCHITECTURES, tokenizer

from xrobust.contracts.encoded import IGNORED
from xrobust.encoding.stream import CHUNK
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification

PAIRS = SequenceClassification(("no", "maybe", "yes"))
CHOICES = MultipleChoice(("first", "second", "third"))
TAGS = TokenClassification(("O", "X"))
TEXT = st.text("abc é日\u200b", max_size=30)
# Called with one pair and not with a list of them, transformers takes an empty second text for none.
SECOND = TEXT.filter(bool)

cached = cache(tokenizer)


def with_token_types() -> Any:
    """A tokenizer whose model takes token types, as BERT's does."""
    pieces = tokenizer("bert")
    pieces.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return pieces


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "types"])
@given(st.lists(st.tuples(TEXT, SECOND), min_size=1, max_size=4), st.integers(6, 24))
@settings(max_examples=40)
def test_a_pair_is_what_transformers_makes_of_it(
    architecture: str, pairs: list[tuple[str, str]], max_length: int
) -> None:
    pieces = with_token_types() if architecture == "types" else cached(architecture)
    rows = [{"id": str(i), "text": a, "text_pair": b, "label": "maybe"} for i, (a, b) in enumerate(pairs)]
    encoded = PAIRS.encode(rows, pieces, max_length)
    batch = encoded.collate(range(len(rows)), pieces.pad_token_id)
    for row, (a, b) in enumerate(pairs):
        theirs = pieces(a, b, truncation=True, max_length=max_length, return_special_tokens_mask=True)
        width = len(theirs["input_ids"])
        assert batch["input_ids"][row, :width].tolist() == theirs["input_ids"]
        assert batch["attention_mask"][row].sum() == width
        assert (batch["noise_mask"][row, :width] == 1 - np.array(theirs["special_tokens_mask"])).all()
        if "token_type_ids" in pieces.model_input_names:
            assert batch["token_type_ids"][row, :width].tolist() == theirs["token_type_ids"]
    assert ("token_type_ids" in batch) == ("token_type_ids" in pieces.model_input_names)
    assert batch["labels"].tolist() == [1] * len(rows)


def test_an_empty_second_text_is_a_pair_all_the_same() -> None:
    pieces = cached("bert")
    encoded = PAIRS.encode([{"id": "0", "text": "a", "text_pair": ""}], pieces, 16)
    a, separator = pieces.convert_tokens_to_ids("a"), pieces.sep_token_id
    assert encoded.input_ids.tolist() == [pieces.cls_token_id, a, separator, separator]


def test_single_texts_and_text_without_labels() -> None:
    pieces = cached("bert")
    encoded = PAIRS.encode([{"id": "0", "text": "a b"}, {"id": "1", "text": ""}], pieces, 16)
    batch = encoded.collate([1, 0], pieces.pad_token_id)
    assert batch["input_ids"].tolist() == [
        [pieces.cls_token_id, pieces.sep_token_id, pieces.pad_token_id, pieces.pad_token_id],
        pieces("a b")["input_ids"],
    ]
    assert encoded.labels.tolist() == [0, 0]


def test_a_stream_longer_than_a_chunk() -> None:
    count = CHUNK + 3
    stream = ({"id": str(i), "text": "a" * (i % 5 + 1), "label": PAIRS.labels[i % 3]} for i in range(count))
    encoded = PAIRS.encode(stream, cached("bert"), 16)
    assert encoded.example.tolist() == list(range(count))
    assert encoded.labels.tolist() == [i % 3 for i in range(count)]
    assert encoded.lengths.tolist() == [i % 5 + 3 for i in range(count)]


def test_each_choice_is_a_sequence_of_its_own() -> None:
    pieces = cached("bert")
    rows = [
        {"id": "0", "text": "abc", "choices": ["a", "bb", "c"], "label": "third"},
        {"id": "1", "text": "a", "choices": ["a", "b", "ccccc"], "label": "first"},
    ]
    encoded = CHOICES.encode(rows, pieces, 16)
    assert len(encoded) == 2
    assert encoded.group == 3
    assert CHOICES.num_outputs == 1
    longest = [max(len(pieces(e["text"], c)["input_ids"]) for c in e["choices"]) for e in rows]
    assert encoded.lengths.tolist() == longest
    assert encoded.pieces(np.array([1])) == sum(len(pieces("a", c)["input_ids"]) for c in rows[1]["choices"])
    assert encoded.pieces(np.array([1, 0])) == len(encoded.input_ids), "all sequences of an item count"
    batch = encoded.collate([1, 0], pieces.pad_token_id)
    width = max(longest)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 3, width)
    assert batch["noise_mask"].shape == (6, width), "what the embedding layer sees"
    assert batch["labels"].tolist() == [0, 2]
    for item, example in enumerate([rows[1], rows[0]]):
        for choice, text in enumerate(example["choices"]):
            theirs = pieces(example["text"], text)["input_ids"]
            assert batch["input_ids"][item, choice].tolist() == theirs + [pieces.pad_token_id] * (width - len(theirs))


def test_problems_are_named() -> None:
    assert PAIRS.problem({"text": "a", "label": "yes"}) is None
    assert PAIRS.problem({"text": "a"}) is None
    assert PAIRS.problem({"text": "a", "label": "Yes"}) == "label 'Yes' is none of no, maybe, yes"
    assert CHOICES.problem({"text": "a", "choices": ["a", "b"]}) == "2 choices where 3 are expected"
    assert CHOICES.problem({"text": "a", "choices": list("abc"), "label": "x"}) == (
        "label 'x' is none of first, second, third"
    )


def test_decoding_takes_the_most_probable() -> None:
    outputs = [np.array([0.1, 0.7, 0.2]), np.array([0.5, 0.2, 0.3])]
    rows: list[dict[str, Any]] = [{"id": "0", "text": "a", "choices": list("abc")}] * 2
    for kind, names in ((PAIRS, ["maybe", "no"]), (CHOICES, ["second", "first"])):
        predictions = kind.decode(outputs, kind.encode(rows, cached("bert"), 16), rows)
        assert [p.value for p in predictions] == names
        assert predictions[0].scores == [0.1, 0.7, 0.2]


@given(
    st.lists(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=6), min_size=1, max_size=5), st.data()
)
def test_a_padded_batch_holds_its_items_and_nothing_else(sentences: list[list[str]], data: st.DataObject) -> None:
    pieces = cached("xlm-roberta")
    rows = [{"id": str(i), "tokens": s, "tags": ["X"] * len(s)} for i, s in enumerate(sentences)]
    encoded = TAGS.encode(rows, pieces, 8)
    picked = data.draw(st.lists(st.integers(0, len(encoded) - 1), min_size=1))
    batch = encoded.collate(picked, pieces.pad_token_id)
    width = int(encoded.lengths[picked].max())
    assert all(array.shape == (len(picked), width) and array.dtype == np.int64 for array in batch.values())
    for row, item in enumerate(picked):
        length, start = int(encoded.lengths[item]), int(encoded.offsets[item])
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (width - length)
        assert (batch["input_ids"][row, :length] == encoded.input_ids[start : start + length]).all()
        assert (batch["input_ids"][row, length:] == pieces.pad_token_id).all()
        assert batch["noise_mask"][row].tolist() == [0, *[1] * (length - 2), 0] + [0] * (width - length)
        assert (batch["labels"][row, :length] == encoded.labels[start : start + length]).all()
        assert (batch["labels"][row, length:] == IGNORED).all()
    assert (batch["labels"] != IGNORED).sum(axis=1).tolist() == encoded.labelled[picked].tolist()
    assert encoded.pieces(np.array(picked)) == batch["attention_mask"].sum()
