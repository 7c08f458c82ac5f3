"""entity_swap: what is replaced, by what, and what stays."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from xrobust.contracts import GoldenCase, Perturbation
from xrobust.evaluation.apply_perturbation import example_rng, violation
from xrobust.testing.perturbations import kind_of, set_up_case
from xrobust_tasks.perturbations.entity_swap import EntitySwap
from xrobust_tasks.perturbations.shared.entities import replaced_entities
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn

NAMES = st.sampled_from(["Ada", "Ada Bo", "Bo", "New York", "New York City", "York"])
PIECES = st.one_of(
    st.sampled_from(["ada", "York", "."]).map(lambda w: (w, "")), st.tuples(NAMES, st.sampled_from("PL"))
)


def sentence(identifier: str, pieces: list[tuple[str, str]]) -> dict[str, Any]:
    """Tokens and tags of (text, type) pieces; no type is no entity."""
    tokens: list[str] = []
    tags: list[str] = []
    for text, kind in pieces:
        parts = text.split()
        tokens += parts
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(parts) - 1) if kind else ["O"] * len(parts)
    return {"id": identifier, "tokens": tokens, "tags": tags}


DATA = st.lists(st.lists(PIECES, min_size=1, max_size=5), min_size=1, max_size=5).map(
    lambda rows: [sentence(str(i), row) for i, row in enumerate(rows)]
)


def ready(source: list[dict[str, Any]], target: list[dict[str, Any]]) -> Perturbation:
    case = GoldenCase("xx", target[0], None, source_train=source, target_test=target)
    perturbation = set_up_case(EntitySwap, case, {})
    assert perturbation is not None
    return perturbation


def entities(example: dict[str, Any]) -> list[tuple[str, str]]:
    """(text, type) by seqeval."""
    found = Entities([example["tags"]], IOB2).entities[0]
    return [(" ".join(example["tokens"][e.start : e.end]), e.tag) for e in found]


def outside(example: dict[str, Any]) -> list[str]:
    return [token for token, tag in zip(example["tokens"], example["tags"], strict=True) if tag == "O"]


@given(DATA, DATA)
@settings(deadline=None)
def test_known_entities_become_unknown_ones_of_their_type_and_nothing_else_changes(
    source: list[dict[str, Any]], target: list[dict[str, Any]]
) -> None:
    known = {text for example in source for text, _ in entities(example)}
    pool = {(text, kind) for example in target for text, kind in entities(example) if text not in known}
    perturbation = ready(source, target)
    for example in target:
        after = perturbation.apply(example, "xx", example_rng(0, "entity_swap", "xx", example["id"]))
        replaceable = [t in known and k in {kind for _, kind in pool} for t, k in entities(example)]
        if not any(replaceable):
            assert after is None
            continue
        assert after is not None
        assert violation(perturbation, kind_of(example), example, after) is None
        assert outside(after) == outside(example)
        for old, new, other in zip(entities(example), entities(after), replaceable, strict=True):
            assert new in pool and new[1] == old[1] if other else new == old
        assert after == perturbation.apply(example, "xx", example_rng(0, "entity_swap", "xx", example["id"]))


def test_every_unknown_entity_is_drawn_from_time_to_time() -> None:
    target = [sentence("0", [("Ada", "P")]), sentence("1", [("Bo", "P")]), sentence("2", [("Ada Bo", "P")])]
    perturbation = ready([sentence("0", [("Ada", "P")])], target)
    drawn = {
        " ".join((perturbation.apply(target[0], "xx", example_rng(seed, "", "", "")) or {})["tokens"])
        for seed in range(40)
    }
    assert drawn == {"Bo", "Ada Bo"}


def test_tags_are_rebuilt_for_entities_that_touch_and_for_tags_that_begin_with_i() -> None:
    before = {"id": "0", "tokens": list("abcdef"), "tags": "I-P B-P I-P B-P I-L O".split()}
    after = replaced_entities(before, lambda entity, kind: ["x"] if len(entity) == 2 else ["y", "z"])
    assert after == {"id": "0", "tokens": list("yzxyzyzf"), "tags": "B-P I-P B-P B-P I-P B-L I-L O".split()}


def test_only_tasks_with_entities() -> None:
    assert EntitySwap.task_problem(WikiAnn()) is None
    assert EntitySwap.task_problem(Pos()) is not None
