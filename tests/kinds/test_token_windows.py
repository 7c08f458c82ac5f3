"""Tagging: every token gets one labelled position, in order, however long the sentence is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import ARCHITECTURES, tokenizer

from xrobust.contracts.encoded import IGNORED, Encoded
from xrobust.encoding.stream import CHUNK
from xrobust.errors import UserError
from xrobust.kinds import TokenClassification

LABELS = ("A", "B", "C", "D", "E")
KIND = TokenClassification(LABELS)
# Words, words of which nothing can be encoded, and words that yield no piece at all.
TOKEN = st.text("abc", min_size=1, max_size=12) | st.sampled_from(
    ["", " ", "\u200b", "\u00ad", "日本", "a b", "e\u0301", "-"]
)
SENTENCES = st.lists(st.lists(TOKEN, max_size=12), min_size=1, max_size=4)

cached = cache(tokenizer)


def unknowing(architecture: str) -> Any:
    """The tokenizer without an unknown token."""
    pieces = tokenizer(architecture)
    pieces.unk_token = None
    return pieces


def examples(sentences: list[list[str]]) -> list[dict[str, Any]]:
    """Tags that differ from token to token, so that an exchange would show."""
    tags = iter(LABELS * (sum(map(len, sentences)) // len(LABELS) + 1))
    return [{"id": str(i), "tokens": s, "tags": [next(tags) for _ in s]} for i, s in enumerate(sentences)]


def items(encoded: Encoded) -> list[tuple[int, list[int], list[int], list[bool]]]:
    """(example, ids, labels, special) of each item."""
    spans = list(zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True))
    return [
        (int(e), encoded.input_ids[a:b].tolist(), encoded.labels[a:b].tolist(), encoded.special[a:b].tolist())
        for e, (a, b) in zip(encoded.example, spans, strict=True)
    ]


def pieces_of_words(pieces: Any, words: list[str], room: int) -> list[list[int]]:
    """The pieces of each word by the tokenizer alone; the unknown one where there is none."""
    if not words:
        return []
    whole = pieces(words, is_split_into_words=True, add_special_tokens=False)
    split: list[list[int]] = [[] for _ in words]
    for piece, word in zip(whole["input_ids"], whole.word_ids(), strict=True):
        split[word].append(piece)
    return [found[:room] or [pieces.unk_token_id] for found in split]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(SENTENCES, st.integers(4, 20))
@settings(max_examples=60)
def test_every_token_has_one_labelled_position(architecture: str, sentences: list[list[str]], max_length: int) -> None:
    pieces, given_examples = cached(architecture), examples(sentences)
    encoded = KIND.encode(given_examples, pieces, max_length)
    tags: list[list[str]] = [[] for _ in sentences]
    contents: list[list[int]] = [[] for _ in sentences]
    first: list[list[int]] = [[] for _ in sentences]
    for example, ids, labels, special in items(encoded):
        assert len(ids) <= max_length
        assert ids[0] == pieces.cls_token_id and ids[-1] == pieces.sep_token_id
        assert special == [True, *[False] * (len(ids) - 2), True]
        assert labels[1] != IGNORED, "a window begins in the middle of a word"
        assert labels[0] == labels[-1] == IGNORED
        contents[example] += ids[1:-1]
        first[example] += [i for i, label in zip(ids, labels, strict=True) if label != IGNORED]
        tags[example] += [LABELS[label] for label in labels if label != IGNORED]
    assert tags == [e["tags"] for e in given_examples]
    expected = [pieces_of_words(pieces, words, max_length - 2) for words in sentences]
    assert contents == [[piece for word in words for piece in word] for words in expected]
    assert first == [[word[0] for word in words] for words in expected]
    assert encoded.labelled.sum() == sum(map(len, sentences))
    assert list(encoded.example) == sorted(encoded.example)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(SENTENCES, st.integers(4, 20))
@settings(max_examples=30)
def test_decoding_puts_windows_together(architecture: str, sentences: list[list[str]], max_length: int) -> None:
    given_examples = examples(sentences)
    encoded = KIND.encode(given_examples, cached(architecture), max_length)
    outputs = []
    for _, _, labels, _ in items(encoded):
        gold = [label for label in labels if label != IGNORED]
        rows = np.full((len(gold), len(LABELS)), 0.1, dtype=np.float32)
        rows[np.arange(len(gold)), gold] = 0.6
        outputs.append(rows)
    predictions = KIND.decode(outputs, encoded, given_examples)
    assert [p.value for p in predictions] == [e["tags"] for e in given_examples]
    assert [len(p.scores) for p in predictions] == [len(e["tokens"]) for e in given_examples]
    assert all(score == pytest.approx(0.6) for p in predictions for score in p.scores)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=6))
@settings(max_examples=30)
def test_a_short_sentence_is_what_transformers_makes_of_it(architecture: str, words: list[str]) -> None:
    pieces = cached(architecture)
    ((_, ids, labels, _),) = items(KIND.encode(examples([words]), pieces, 64))
    theirs = pieces(words, is_split_into_words=True)
    assert ids == theirs["input_ids"]
    # The labels that transformers' own token classification example makes: the first piece of a word has them.
    word_ids = theirs.word_ids()
    firsts = [i for i, w in enumerate(word_ids) if w is not None and (i == 0 or word_ids[i - 1] != w)]
    assert [i for i, label in enumerate(labels) if label != IGNORED] == firsts


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta"])
def test_words_without_a_piece_become_the_unknown_token(architecture: str) -> None:
    pieces = cached(architecture)
    sentence = {"id": "0", "tokens": ["a", "", "b"], "tags": ["A", "B", "C"]}
    ((_, ids, labels, _),) = items(KIND.encode([sentence], pieces, 16))
    where = [i for i, label in enumerate(labels) if label != IGNORED]
    assert ids[where[1]] == pieces.unk_token_id
    assert [labels[i] for i in where] == [0, 1, 2]


def test_words_without_a_piece_become_the_mask_token_where_there_is_no_unknown_one() -> None:
    """Byte-level BPE knows every character, and its tokenizers often have no unknown token."""
    pieces = unknowing("modernbert")
    assert pieces.unk_token_id is None
    ((_, ids, labels, _),) = items(KIND.encode(examples([["a", "", "b"]]), pieces, 16))
    assert [i for i, label in zip(ids, labels, strict=True) if label == 1] == [pieces.mask_token_id]


def test_a_stream_longer_than_a_chunk_with_empty_sentences_in_it() -> None:
    count = 2 * CHUNK + 1
    stream = ({"id": str(i), "tokens": ["a"] * (i % 3), "tags": ["B"] * (i % 3)} for i in range(count))
    encoded = KIND.encode(stream, cached("bert"), 16)
    assert encoded.example.tolist() == [i for i in range(count) if i % 3]
    assert encoded.labelled.tolist() == [i % 3 for i in range(count) if i % 3]
    none = KIND.encode([{"id": "0", "tokens": []}], cached("bert"), 16)
    assert len(none) == 0
    assert KIND.decode([], none, [{"id": "0", "tokens": []}])[0].value == []


def test_text_without_tags_is_encoded_too() -> None:
    encoded = KIND.encode([{"id": "0", "tokens": ["a", "bc"]}], cached("bert"), 16)
    assert encoded.labelled.tolist() == [2]


def test_a_length_without_room_is_refused() -> None:
    with pytest.raises(UserError, match="max_length 2 leaves no room for a token beside the 2 special ones"):
        KIND.encode(examples([["a"]]), cached("bert"), 2)


def test_problems_are_named() -> None:
    assert KIND.problem({"tokens": ["a"], "tags": ["A"]}) is None
    assert KIND.problem({"tokens": ["a"]}) is None
    assert KIND.problem({"tokens": ["a"], "tags": []}) == "0 tags for 1 tokens"
    assert KIND.problem({"tokens": ["a"], "tags": ["Z"]}) == "tag 'Z' is none of A, B, C, D, E"


@pytest.fixture(scope="module", params=["mbert", "xlmr", "xmini"])
def real_tokenizer(request: pytest.FixtureRequest) -> Any:
    """The real vocabularies, where they are present."""
    from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

    shared = Path(__file__).resolve().parents[3] / "shared"
    where = {"mbert": "tokenizers/mbert/vocab.txt", "xlmr": "tokenizers/xlmr/tokenizer.json", "xmini": "models/xmini"}
    path = shared / where[request.param]
    if not path.exists():
        pytest.skip(f"the real tokenizer is not here (../shared/{where[request.param]})")
    if request.param == "mbert":
        return BertTokenizerFast(vocab=str(path), do_lower_case=False)
    if request.param == "xmini":
        return AutoTokenizer.from_pretrained(path)
    names = {
        "cls_token": "<s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    }
    return PreTrainedTokenizerFast(tokenizer_file=str(path), **names)


def test_real_sentences_with_real_vocabularies(real_tokenizer: Any, real_data: Path) -> None:
    from xrobust.data.local import LocalSource
    from xrobust_tasks.pos import Pos

    source = LocalSource(real_data)
    rows = [e for language in ("en", "zh", "th", "ar", "yo") for e in Pos().load("test", language, source)[:40]]
    rows += [{**rows[0], "tokens": ["\u200b", ""], "tags": ["X", "X"]}]
    for max_length in (128, 16):
        encoded = Pos.kind.encode(rows, real_tokenizer, max_length)
        found: list[list[str]] = [[] for _ in rows]
        alone: list[list[int]] = [[] for _ in rows]
        for example, ids, labels, _ in items(encoded):
            found[example] += [Pos.kind.labels[label] for label in labels if label != IGNORED]
            alone[example] = ids if not alone[example] else []
        assert found == [e["tags"] for e in rows]
        if max_length == 128:
            same = 0
            for row, ids in zip(rows, alone, strict=True):
                theirs = real_tokenizer(list(row["tokens"]), is_split_into_words=True)
                if ids and len(set(theirs.word_ids()) - {None}) == len(row["tokens"]):
                    assert ids == theirs["input_ids"]
                    same += 1
            assert same > 150
