"""What a perturbation did: counted in tokens, and checked against what it must not do."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.contracts import Example, GoldenCase, NotCovered, Perturbation, PerturbationContext, PerturbationInfo
from xrobust.evaluation import apply_perturbation
from xrobust.evaluation.apply_perturbation import changed_tokens, perturb, text_tokens, violation
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.testing import check_perturbation

TAGGING = TokenClassification(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))
PAIRS = SequenceClassification(("0", "1"))
SENTENCE = {"id": "s", "tokens": ["Anna", "Berg", "likes", "Rome"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]}
words = st.lists(st.sampled_from("a b c d".split()), max_size=8)


@pytest.mark.parametrize("aligned", [2_000, 0])
@given(before=words, after=words)
def test_tokens_that_differ(aligned: int, before: list[str], after: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply_perturbation, "ALIGNED", aligned)
        check_tokens_that_differ(before, after)


def test_a_text_of_a_hundred_thousand_tokens_is_not_aligned() -> None:
    text = ["a", "b"] * 50_000
    assert changed_tokens(text, [*text[:3], "c", *text[3:]]) == 1
    assert changed_tokens(text, [*text[:3], "c", *text[3:9], "d", *text[9:]]) == 8


def check_tokens_that_differ(before: list[str], after: list[str]) -> None:
    changed = changed_tokens(before, after)
    assert (changed == 0) == (before == after)
    assert abs(len(before) - len(after)) <= changed <= max(len(before), len(after))
    if len(before) == len(after):
        assert changed <= sum(a != b for a, b in zip(before, after, strict=True))


def test_tokens_of_texts() -> None:
    """Words; where a script has no spaces, characters. The choices of a multiple choice are text too."""
    assert text_tokens(PAIRS, {"text": "Die alte Brücke.", "text_pair": "古い橋です"}) == [
        *("Die", "alte", "Brücke."),
        *"古い橋です",
    ]
    assert text_tokens(PAIRS, {"text": "iPhoneを買う"}) == ["iPhone", *"を買う"]
    assert text_tokens(PAIRS, {"text": "아침 바다"}) == ["아침", "바다"]
    choices = MultipleChoice(("A", "B"))
    assert text_tokens(choices, {"text": "a b", "choices": ["c d", "e"]}) == ["a", "b", "c d".split()[0], "d", "e"]
    assert text_tokens(TAGGING, SENTENCE) == SENTENCE["tokens"]


class Longer(Perturbation):
    info = PerturbationInfo("longer", "", kinds=("token_classification",), keeps_tokens=False)


class Same(Perturbation):
    info = PerturbationInfo("same", "", kinds=("token_classification",))


@pytest.mark.parametrize(
    ("cls", "change", "problem"),
    [
        (Same, {}, None),
        (Same, {"tokens": ["Anna", "Berg", "mag", "Rom"]}, None),
        (Same, {"id": "t"}, "the id became 't'"),
        (Same, {"more": 1}, "the columns became id, more, tags, tokens"),
        (Same, {"tokens": ["Anna", "", "likes", "Rome"]}, "token '' is empty"),
        (Same, {"tokens": ["Anna", "B g", "likes", "Rome"]}, "token 'B g' is empty or holds a space"),
        (Same, {"tags": ["B-PER", "I-PER", "O", "O"]}, "the tags changed"),
        (Same, {"tags": ["B-PER", "I-PER", "O", "X"]}, "tag 'X' is none of"),
        (Same, {"tokens": ["Anna", "likes", "Rome"], "tags": ["B-PER", "O", "B-LOC"]}, "4 tokens became 3"),
        (Longer, {"tokens": ["Anna", "likes", "Rome"], "tags": ["B-PER", "O", "B-LOC"]}, None),
        (Longer, {"tokens": ["Anna", "likes"], "tags": ["B-PER", "O"]}, "the entities ['PER', 'LOC'] became ['PER']"),
        (Longer, {"tokens": ["Anna"], "tags": ["B-PER", "B-LOC"]}, "2 tags for 1 tokens"),
    ],
)
def test_what_must_not_happen(cls: type[Perturbation], change: Mapping[str, Any], problem: str | None) -> None:
    found = violation(cls(cls.Params()), TAGGING, SENTENCE, {**SENTENCE, **change})
    assert found is None if problem is None else found is not None and problem in found


def test_an_odd_token_of_the_data_is_not_the_perturbation_s_doing() -> None:
    odd = {"id": "s", "tokens": ["a", "", "b c"], "tags": ["O", "O", "O"]}
    assert violation(Same(Same.Params()), TAGGING, odd, {**odd, "tokens": ["A", "", "b c"]}) is None


def test_a_label_of_a_text_stays() -> None:
    row = {"id": "1", "text": "a", "text_pair": "b", "label": "0"}
    same = Same(Same.Params())
    assert violation(same, PAIRS, row, {**row, "text": "c"}) is None
    assert violation(same, PAIRS, row, {**row, "label": "1"}) == "the label 0 became 1"


class Draws(Perturbation):
    """Half of the examples, by the generator."""

    info = PerturbationInfo("draws", "", kinds=("token_classification",))

    def apply(self, example: Example, language: str, rng: Random) -> Example | None:
        return {**example, "tokens": [t.upper() for t in example["tokens"]]} if rng.random() < 0.5 else None


def test_an_outcome_depends_on_seed_language_and_id_alone() -> None:
    rows = [{"id": f"s{i}", "tokens": ["a", "b"], "tags": ["O", "O"]} for i in range(40)]
    draws = Draws(Draws.Params())
    found = perturb(draws, TAGGING, rows, "de", 0)
    assert 5 < len(found.rows) < 35 and found.tokens == 80 and found.changed_tokens == 2 * len(found.rows)
    backwards = perturb(draws, TAGGING, rows[::-1], "de", 0)
    assert {r["id"] for r in backwards.rows.values()} == {r["id"] for r in found.rows.values()}
    for other in (perturb(draws, TAGGING, rows, "fr", 0), perturb(draws, TAGGING, rows, "de", 1)):
        assert set(other.rows) != set(found.rows)


# ---------------------------------------------------------------------------------------------- the conformance kit


def broken(body: Any, **info: Any) -> type[Perturbation]:
    """A perturbation whose golden case says what it gives, and that breaks a rule all the same."""

    class Broken(Perturbation):
        needs = frozenset({"target_test"})

        def apply(self, example: Example, language: str, rng: Random) -> Example | None:
            return body(self, example, rng)

        @classmethod
        def golden(cls) -> list[GoldenCase]:
            first = body(cls(cls.Params()), deepcopy(SENTENCE), Random(0))
            return [GoldenCase("de", deepcopy(SENTENCE), first)]

    Broken.info = PerturbationInfo("broken", "", kinds=("token_classification",), **info)
    return Broken


def upper(self: Any, example: Example, rng: Random) -> Example:
    return {**example, "tokens": [token.upper() for token in example["tokens"]]}


def in_place(self: Any, example: Example, rng: Random) -> Example:
    example["tokens"][0] = "X"
    return {**example}


def remembers(self: Any, example: Example, rng: Random) -> Example:
    self.count = getattr(self, "count", 0) + 1
    return {**example, "tokens": ["x" * self.count, *example["tokens"][1:]]}


def other_tags(self: Any, example: Example, rng: Random) -> Example:
    return {**example, "tags": ["O"] * len(example["tags"])}


def test_the_kit_accepts_what_is_right() -> None:
    assert check_perturbation(broken(upper)) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (in_place, "it changed the example that it was given"),
        (remembers, "another output after another example"),
        (other_tags, "the tags changed"),
        (lambda self, example, rng: {**example, "tokens": [str(rng.random())] * 4}, "came out where"),
    ],
    ids=["changes its input", "remembers", "other tags", "draws"],
)
def test_the_kit_catches_what_is_wrong(body: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_perturbation(broken(body))


def test_the_kit_wants_cases_and_knows_languages_that_are_not_covered() -> None:
    with pytest.raises(AssertionError, match="ships no golden cases"):
        check_perturbation(Draws)

    class Elsewhere(Draws):
        def prepare(self, ctx: PerturbationContext) -> None:
            raise NotCovered("no data")

        @classmethod
        def golden(cls) -> list[GoldenCase]:
            return [GoldenCase("de", dict(SENTENCE), None)]

    assert check_perturbation(Elsewhere) == 1
