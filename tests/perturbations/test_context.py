"""context_swap and entity_context_swap, and the search for the nearest words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.contracts import PerturbationContext
from xrobust_tasks.perturbations.context_swap import ContextSwap, is_word
from xrobust_tasks.perturbations.entity_context_swap import EntityContextSwap
from xrobust_tasks.perturbations.shared import nearest
from xrobust_tasks.perturbations.shared.letters import with_case_of
from xrobust_tasks.perturbations.shared.nearest import nearest_words
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn

VECTORS = {
    "red": (1, 0, 0),
    "crimson": (0.9, 0.1, 0),
    "blue": (0, 1, 0),
    "navy": (0, 3, 0.1),
    "green": (0, 0, 1),
    "bus": (0, 0.1, -1),
}


def tagged(identifier: str, text: str) -> dict[str, Any]:
    """`word/TYPE` is an entity of one token."""
    pairs = [word.partition("/") for word in text.split()]
    return {"id": identifier, "tokens": [w for w, _, _ in pairs], "tags": [f"B-{k}" if k else "O" for _, _, k in pairs]}


class Encoder:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, words: Sequence[str], max_pieces: int | None = None) -> np.ndarray:
        self.asked.append(list(words))
        return np.array([VECTORS[word] for word in words], dtype=np.float32)


def context(encoder: Encoder, source: list[str], target: list[str]) -> PerturbationContext:
    return PerturbationContext(
        task=WikiAnn(),
        language="xx",
        source="yy",
        files={},
        needs=EntityContextSwap.needs,
        sources={
            "source_train": lambda: [tagged(str(i), text) for i, text in enumerate(source)],
            "target_test": lambda: [tagged(str(i), text) for i, text in enumerate(target)],
            "encoder": lambda: encoder,
        },
    )


def changed(
    perturbation: ContextSwap | EntityContextSwap, ctx: PerturbationContext, draw: Any = None
) -> list[str | None]:
    """The text of each test sentence, None where it stays."""
    perturbation.prepare(ctx)
    after = [perturbation.apply(example, "xx", draw) for example in ctx.target_test()]
    return [None if a is None else " ".join(a["tokens"]) for a in after]


def test_known_words_become_the_nearest_unknown_ones() -> None:
    ctx = context(
        encoder := Encoder(),
        ["red blue", "bus/ORG"],
        ["Red/PER red BLUE , Blue x", "crimson navy green", "bus"],
    )
    assert changed(ContextSwap(ContextSwap.Params()), ctx) == ["Red crimson NAVY , Navy x", None, None]
    assert encoder.asked == [["blue", "bus", "crimson", "green", "navy", "red"]]


def test_the_encoder_is_not_asked_where_nothing_is_shared_or_everything_is() -> None:
    for source in (["bus"], ["red blue"]):
        encoder = Encoder()
        assert changed(ContextSwap(ContextSwap.Params()), context(encoder, source, ["red blue"])) == [None]
        assert encoder.asked == []


def test_both_change_entities_and_words() -> None:
    from random import Random

    ctx = context(Encoder(), ["Oslo/LOC red"], ["red Oslo/LOC", "crimson Bergen/LOC", "green", "Oslo/LOC"])
    both = EntityContextSwap(EntityContextSwap.Params())
    assert changed(both, ctx, Random(0)) == ["crimson Bergen", None, None, "Bergen"]
    (first, *_) = ctx.target_test()
    assert (both.apply(first, "xx", Random(0)) or {})["tags"] == ["O", "B-LOC"]


def test_what_a_word_is() -> None:
    assert [w for w in "ab a 10 don't a.b -- $5 می‌شود हिन्दी a\u00a0b é 山".split(" ") if is_word(w)] == [
        "ab",
        "10",
        "می‌شود",
        "हिन्दी",
    ]


@pytest.mark.parametrize("perturbation", [ContextSwap, EntityContextSwap])
def test_only_tasks_with_entities(perturbation: type[ContextSwap]) -> None:
    assert perturbation.task_problem(WikiAnn()) is None
    assert perturbation.task_problem(Pos()) is not None


NUMBERS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0])


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=2, max_size=12), st.data())
@settings(deadline=None)
def test_nearest_is_the_largest_cosine_and_the_first_of_equal_ones(
    rows: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    vectors = {chr(ord("a") + i): np.array(row) for i, row in enumerate(rows)}
    words = data.draw(st.sets(st.sampled_from(sorted(vectors)), min_size=1))
    candidates = set(vectors) - words

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        size = float(np.sqrt(a @ a) * np.sqrt(b @ b))
        return round(float(a @ b) / size, 9) if size else 0.0

    expected = {
        word: max(sorted(candidates), key=lambda other: cosine(vectors[word], vectors[other]))
        for word in words
        if candidates
    }

    def lookup(asked: Sequence[str]) -> np.ndarray:
        return np.array([vectors[word] for word in asked], dtype=np.float32)

    assert nearest_words(words, candidates, lookup) == expected


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = {f"w{i}": rng.normal(size=4) for i in range(60)}
    words, candidates = list(vectors)[:40], list(vectors)[40:]

    def found() -> dict[str, str]:
        return nearest_words(words, candidates, lambda asked: np.array([vectors[w] for w in asked], dtype=np.float32))

    whole = found()
    monkeypatch.setattr(nearest, "BLOCK", 50)
    assert found() == whole
    assert len(whole) == 40


@pytest.mark.parametrize(
    ("original", "word", "language", "expected"),
    [
        ("Haus", "boot", "de", "Boot"),
        ("HAUS", "straße", "de", "STRASSE"),
        ("haus", "boot", "de", "boot"),
        ("I", "boot", "en", "Boot"),
        ("A4", "boot", "en", "Boot"),
        ("McAdam", "boot", "en", "Boot"),
        ("İzin", "ışık", "tr", "Işık"),
        ("IŞIK", "izin", "tr", "İZİN"),
        ("Ev", "izin", "az", "İzin"),
        ("ΝΈΑ", "μουσική", "el", "ΜΟΥΣΙΚΗ"),
        ("Νέα", "άνοιξη", "el", "Άνοιξη"),
        ("Haus", "ijs", "nl", "IJs"),
        ("कमल", "गुलाब", "hi", "गुलाब"),
    ],
)
def test_capitals_go_over(original: str, word: str, language: str, expected: str) -> None:
    assert with_case_of(original, word, language) == expected
