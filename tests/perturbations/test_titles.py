"""title_cosine and title_random: words in place of others, and a text that is otherwise as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.contracts import GoldenCase, PerturbationContext
from xrobust.testing.perturbations import set_up_case, task_of
from xrobust_tasks.perturbations.title_cosine import TitleCosine
from xrobust_tasks.perturbations.title_random import TitleRandom

CHOICES = ["History", "Name", "Place", "Sport"]


def texts(*found: str) -> list[dict[str, Any]]:
    return [{"id": str(i), "text": text, "choices": CHOICES, "label": "A"} for i, text in enumerate(found)]


def ready(params: dict[str, Any], source: list[dict[str, Any]], target: list[dict[str, Any]]) -> TitleRandom:
    case = GoldenCase("xx", target[0], None, params=params, source_train=source, target_test=target)
    perturbation = set_up_case(TitleRandom, case, {})
    assert isinstance(perturbation, TitleRandom)
    return perturbation


TEXTS = st.lists(st.text("abAB .,'\n", min_size=1, max_size=12), min_size=1, max_size=4).map(lambda t: texts(*t))


@given(TEXTS, TEXTS, st.integers(1, 5), st.integers(0, 5))
@settings(deadline=None)
def test_known_words_become_unknown_ones_and_all_around_them_stays(
    source: list[dict[str, Any]], target: list[dict[str, Any]], most: int, seed: int
) -> None:
    def words(example: dict[str, Any]) -> list[str]:
        return re.findall(r"\w+", example["text"])

    known = {w.lower() for example in source for w in words(example)[:most]}
    unknown = {w.lower() for example in target for w in words(example)[:most]} - known
    perturbation = ready({"max_words": most}, source, target)
    for example in target:
        after = perturbation.apply(example, "xx", Random(seed))
        if not unknown or not any(w.lower() in known for w in words(example)[:most]):
            assert after is None
            continue
        assert after is not None
        assert after == {**example, "text": after["text"]}
        assert re.split(r"\w+", after["text"]) == re.split(r"\w+", example["text"])
        for number, (old, new) in enumerate(zip(words(example), words(dict(after)), strict=True)):
            if number < most and old.lower() in known:
                assert new.lower() in unknown
                assert new[0].isupper() == old[0].isupper()
            else:
                assert new == old


def test_compat_is_lower_case_without_punctuation_and_cut() -> None:
    target = texts("The River, and the DAM -- of 1912!", "stream")
    perturbation = ready({"max_words": 5, "compat": True}, texts("a river"), target)
    after = perturbation.apply(target[0], "xx", Random(0))
    assert after is not None
    words = after["text"].split(" ")
    assert [*words[:1], *words[2:]] == ["the", "and", "the", "dam"]
    assert words[1] in ("the", "and", "dam", "stream")
    assert perturbation.apply(target[1], "xx", Random(0)) is None


def test_nearest_words_are_asked_for_with_at_most_ten_pieces() -> None:
    vectors = {"river": (1, 0), "stream": (0.9, 0.2), "dam": (0, 1)}
    asked: list[tuple[list[str], int | None]] = []

    def encoder(words: Sequence[str], max_pieces: int | None) -> np.ndarray:
        asked.append((list(words), max_pieces))
        return np.array([vectors[word] for word in words], dtype=np.float32)

    target = texts("River! RIVER; dam", "stream")
    context = PerturbationContext(
        task=task_of(target[0]),
        language="xx",
        source="yy",
        files={},
        needs=TitleCosine.needs,
        sources={
            "source_train": lambda: texts("A river."),
            "target_test": lambda: target,
            "encoder": lambda: encoder,
        },
    )
    perturbation = TitleCosine(TitleCosine.Params())
    perturbation.prepare(context)
    assert (perturbation.apply(target[0], "xx", Random(0)) or {})["text"] == "Stream! STREAM; dam"
    assert perturbation.apply(target[1], "xx", Random(0)) is None
    assert asked == [(["dam", "river", "stream"], 10)]


@pytest.mark.parametrize("cls", [TitleCosine, TitleRandom])
def test_languages_without_spaces_between_words_are_not_covered(cls: type[TitleCosine]) -> None:
    perturbation = cls(cls.Params())
    assert perturbation.language_problem("af") is None
    for language in ("zh", "zh-TW", "ja", "th"):
        assert "without spaces" in (perturbation.language_problem(language) or "")
