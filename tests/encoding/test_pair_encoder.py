"""Texts tokenised once and joined, against the tokenizers' own encoding of pairs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from fork_server import Pythons
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import ARCHITECTURES, LETTERS, tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from xrobust.data.local import LocalSource
from xrobust.data.splits import load_split
from xrobust.encoding import stream
from xrobust.encoding.pairs import PairEncoder
from xrobust.encoding.stream import CHUNK
from xrobust.evaluation.language_pairs import align
from xrobust.kinds import MultipleChoice, SequenceClassification
from xrobust_tasks.pawsx import PawsX

KIND = SequenceClassification(("no", "maybe", "yes"))
CLS, SEP = ("[CLS]", 2), ("[SEP]", 3)
PROCESSORS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "bert-processing": lambda: processors.BertProcessing(SEP, CLS),
    "roberta-processing": lambda: processors.RobertaProcessing(SEP, CLS),
    "byte-level": lambda: processors.ByteLevel(),
    # XLM-R puts two separators between, and one type everywhere.
    "two-separators": lambda: processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", special_tokens=[CLS, SEP]
    ),
    "second-first": lambda: processors.TemplateProcessing(
        single="$A [SEP]", pair="$B:1 [SEP]:1 $A [SEP] [CLS]:2", special_tokens=[CLS, SEP]
    ),
    "sequence": lambda: processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[CLS, SEP]
            ),
        ]
    ),
}
KINDS_OF_TOKENIZER = [*ARCHITECTURES, *PROCESSORS, "prefix-space", "left"]


@cache
def pieces(name: str) -> Any:
    """A tokenizer of one of the architectures, or a byte-level one with some other post-processor."""
    if name in ARCHITECTURES:
        return tokenizer(name)
    if name == "left":
        found = tokenizer("bert")
        found.truncation_side = "left"
        return found
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    merges = [("Ġ", c) for c in LETTERS]
    vocabulary = [*special, *LETTERS, "Ġ", *(a + b for a, b in merges)]
    backend = Tokenizer(models.BPE({p: i for i, p in enumerate(vocabulary)}, merges))  # knows no other character
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=name == "prefix-space")
    if (processor := PROCESSORS["roberta-processing" if name == "prefix-space" else name]()) is not None:
        backend.post_processor = processor
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True)),
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


TEXT = st.lists(
    st.sampled_from(["a", "b", "cd", " ", "  ", "é", "日", "\u200b", "[SEP]", "</s>", "[MASK]", "\n"]), max_size=14
).map("".join)


@pytest.mark.parametrize("name", KINDS_OF_TOKENIZER)
@given(
    firsts=st.lists(TEXT, min_size=1, max_size=4),
    seconds=st.lists(TEXT, min_size=1, max_size=4),
    max_length=st.integers(5, 24),
)
@settings(max_examples=40, deadline=None)
def test_joined_is_what_the_tokenizer_makes_of_the_pair(
    name: str, firsts: list[str], seconds: list[str], max_length: int
) -> None:
    both = pieces(name)
    encoder = PairEncoder(both, max_length)
    one, other = encoder.tokenise(firsts), encoder.tokenise(iter(seconds))
    picked = list(product(range(len(firsts)), range(len(seconds))))
    how = {"truncation": True, "max_length": max_length, "return_special_tokens_mask": True}
    pairs = [firsts[i] for i, _ in picked], [seconds[k] for _, k in picked]
    for texts, joined in (
        (pairs, encoder.join(one.take([i for i, _ in picked]), other.take([k for _, k in picked]))),
        ((firsts,), encoder.join(one)),
    ):
        theirs = both(*texts, **how)
        assert joined.lengths.tolist() == [len(ids) for ids in theirs["input_ids"]]
        for found, expected in (
            (joined.ids, "input_ids"),
            (joined.special, "special_tokens_mask"),
            (joined.types, "token_type_ids"),
        ):
            assert found.tolist() == [value for row in theirs[expected] for value in row], expected


@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "roberta-processing"])
def test_every_cut_of_two_lengths(name: str) -> None:
    both = pieces(name)
    texts = ["a" * n if name == "bert" else " ".join("a" * n) for n in range(30)]
    for max_length in (8, 9, 12):
        encoder = PairEncoder(both, max_length)
        sides = encoder.tokenise(texts)
        picked = list(product(range(30), repeat=2))
        joined = encoder.join(*(sides.take([pair[k] for pair in picked]) for k in (0, 1)))
        pairs = ([texts[pair[k]] for pair in picked] for k in (0, 1))
        theirs = both(*pairs, truncation=True, max_length=max_length)["input_ids"]
        assert joined.ids.tolist() == [i for ids in theirs for i in ids]
        assert joined.lengths.max() == max_length


def test_a_stream_longer_than_a_chunk() -> None:
    both = pieces("bert")
    encoder = PairEncoder(both, 16)
    assert len(encoder.tokenise([])) == 0
    sides = encoder.tokenise("a" * (i % 5) for i in range(CHUNK + 3))
    assert sides.lengths.tolist() == [i % 5 for i in range(CHUNK + 3)]
    (last,) = both(["aa"])["input_ids"]
    assert encoder.join(sides.take([CHUNK + 2])).ids.tolist() == last


LONG = """
import resource, sys
from tiny_encoders import tokenizer
from xrobust.encoding.pairs import PairEncoder
from xrobust.kinds import MultipleChoice, SequenceClassification

text = "ab " * int(sys.argv[1])
example = {"id": "1", "text": text, "text_pair": text[1:], "choices": [text, text[1:]], "label": "A"}
for kind in (SequenceClassification(("A", "B")), MultipleChoice(("A", "B"))):
    kind.encode([example], tokenizer("bert"), 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_grows_with_the_length_of_two_texts_and_not_with_its_square(pythons: Pythons) -> None:
    """The tokenizers library takes 0.8 GB to cut two texts of 1,000 of these words, and 3.1 GB of 2,000."""
    peak = {}
    for words in (1, 1_000, 2_000):
        done = pythons.run("-c", LONG, str(words), cwd=Path(__file__).parents[1], env=dict(os.environ))
        assert done.returncode == 0, done.stderr
        peak[words] = int(done.stdout)
    assert peak[2_000] - peak[1] < 50_000, "kilobytes"
    assert peak[2_000] - peak[1_000] < 30_000


def test_long_texts_are_tokenised_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = PreTrainedTokenizerFast._encode_plus

    def counting(self: Any, text: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(sum(map(len, text)))
        return original(self, text, *arguments, **options)

    texts = ["ab " * n for n in (3, 30, 4, 1, 1, 60, 2)]
    expected = PairEncoder(pieces("bert"), 16).tokenise(texts)
    monkeypatch.setattr(stream, "CHARACTERS", 100)
    monkeypatch.setattr(PreTrainedTokenizerFast, "_encode_plus", counting)
    found = PairEncoder(pieces("bert"), 16).tokenise(texts)
    assert sizes == [99, 18, 180, 6]
    assert found.ids.tolist() == expected.ids.tolist() and found.lengths.tolist() == expected.lengths.tolist()


def test_where_a_text_stands_is_learnt_from_one_that_has_pieces() -> None:
    both = pieces("bert")
    encoder = PairEncoder(both, 16)
    for text in ("", "\u200b", "ab"):
        sides = encoder.tokenise([text])
        assert encoder.join(sides, sides).ids.tolist() == both([text], [text])["input_ids"][0]


class Counting:
    """A tokenizer that counts the texts it is given."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.texts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, first: list[str], second: list[str] | None = None, **how: Any) -> Any:
        self.texts += len(first) + len(second or [])
        return self._inner(first, second, **how)


def translated(language: int, count: int) -> list[dict[str, Any]]:
    """Examples in "a language" of letters of its own; their order differs between languages, their ids align."""
    letters = LETTERS[3 * language : 3 * language + 3]
    rows = [
        {
            "id": str(k),
            "text": " ".join(letters[j % 3] * (1 + (j + k) % 4) for j in range(k % 9)),
            "text_pair": " ".join(letters[(j * k) % 3] for j in range(k % 5 + language)),
            "label": KIND.labels[k % 3],
        }
        for k in range(count)
    ]
    return rows[language:] + rows[:language]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_seven_by_seven_pairs_tokenise_each_language_once(architecture: str) -> None:
    languages, count, max_length = 7, 12, 20
    data = [translated(language, count) for language in range(languages)]
    counting = Counting(tokenizer(architecture))
    encoder = PairEncoder(counting, max_length)
    sides = [KIND.tokenise(examples, encoder) for examples in data]
    assert counting.texts == languages * count * 2
    for one, other in product(range(languages), repeat=2):
        seconds = {e["id"]: e["text_pair"] for e in data[other]}
        mixed = [{**e, "text_pair": seconds[e["id"]]} for e in data[one][:-1]]  # not all of them are in both
        found = KIND.join(sides[one], sides[other], mixed, encoder)
        direct = pieces(architecture)(
            [e["text"] for e in mixed], [e["text_pair"] for e in mixed], truncation=True, max_length=max_length
        )
        assert found.input_ids.tolist() == [i for ids in direct["input_ids"] for i in ids]
        assert found.token_types is not None
        assert found.token_types.tolist() == [i for types in direct["token_type_ids"] for i in types]
        assert found.labels.tolist() == [KIND.labels.index(e["label"]) for e in mixed]
        assert found.example.tolist() == list(range(len(mixed)))
        assert found.lengths.max() == max_length, "some are cut"
    # One pair more, of which the encoder learns where special tokens stand.
    assert counting.texts == languages * count * 2 + 2


def test_real_sentences_with_a_real_vocabulary(real_data: Path, real_model: Path) -> None:
    both = AutoTokenizer.from_pretrained(real_model)
    source = LocalSource(real_data)
    data = {language: load_split(PawsX(), source, "test", language, None)[0][:150] for language in ("ja", "ko", "de")}
    for max_length in (128, 40):
        encoder = PairEncoder(both, max_length)
        sides = {language: PawsX.kind.tokenise(examples, encoder) for language, examples in data.items()}
        for pair in permutations(data, 2):
            mixed = align(*(data[language] for language in pair), pair).examples
            found = PawsX.kind.join(*(sides[language] for language in pair), mixed, encoder)
            texts = [e["text"] for e in mixed], [e["text_pair"] for e in mixed]
            direct = both(*texts, truncation=True, max_length=max_length)["input_ids"]
            assert found.input_ids.tolist() == [i for ids in direct for i in ids]
            assert found.lengths.max() == max_length, "some are cut"


def test_the_text_of_a_multiple_choice_is_tokenised_once() -> None:
    counting = Counting(tokenizer("bert"))
    rows = [{"id": str(k), "text": "ab" * k, "choices": ["a", "b", "c", "d" * k], "label": "A"} for k in range(5)]
    MultipleChoice(tuple("ABCD")).encode(rows, counting, 12)
    assert counting.texts == 5 * (1 + 4) + 2
