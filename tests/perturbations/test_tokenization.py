"""What is left of the changes for the vocabularies of real models, and that a reader sees none."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from xrobust.contracts import GoldenCase
from xrobust_tasks.perturbations.tokenization import Tokenization

SHARED = Path(__file__).resolve().parents[3] / "shared"
Pieces = Callable[[str], list[str]]


def pieces_of(name: str) -> Pieces:
    """The pieces that a word is cut into by a real vocabulary; the test is skipped, visibly, where it is not there."""
    folder = SHARED / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip(f"the real vocabulary is not here (../shared/tokenizers/{name})")
    from tokenizers import BertWordPieceTokenizer, Tokenizer

    if name == "mbert":
        tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=False)
    else:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda word: tokenizer.encode(word, add_special_tokens=False).tokens


@pytest.mark.parametrize("name", ["mbert", "xlmr"])
def test_every_changed_word_is_cut_differently(name: str) -> None:
    pieces = pieces_of(name)
    changed = 0
    for case in Tokenization.golden():
        if case.expected is None:
            continue
        before = case.example.get("tokens") or case.example["text"].split()
        after = case.expected.get("tokens") or case.expected["text"].split()
        for old, new in zip(before, after, strict=True):
            if old != new:
                changed += 1
                assert pieces(old) != pieces(new), (old, ascii(new))
    assert changed > 50


@pytest.mark.parametrize("case", [c for c in Tokenization.golden() if c.expected is not None], ids=lambda c: c.language)
def test_what_is_put_in_stands_between_clusters(case: GoldenCase) -> None:
    assert case.expected is not None
    after = " ".join(case.expected.get("tokens", [case.expected.get("text", "")]))
    for before, invisible in pairwise(after):
        if invisible in "\u200b\u00ad\u034f\u0640\U000e0100":
            following = after[after.index(before + invisible) + 2 :][:1]
            assert not before.isspace()
            assert not following or not unicodedata.category(following).startswith("M")


@pytest.mark.parametrize(("language", "word"), [("ar", "زار"), ("ar", "لا"), ("fa", "در"), ("ur", "ورزے")])
def test_a_tatweel_stands_only_where_letters_join(language: str, word: str) -> None:
    perturbation = Tokenization(Tokenization.Params(rate=1.0))
    for seed in range(20):
        new = perturbation.change(word, language, random.Random(seed))
        assert new is not None
        assert "\u0640" not in new
