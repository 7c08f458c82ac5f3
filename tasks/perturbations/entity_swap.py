"""Entities known from training are replaced by unknown ones of the same type."""

from __future__ import annotations

import random
from collections import defaultdict

from xrobust.contracts import Example, Perturbation, PerturbationContext, PerturbationInfo, Task
from xrobust.data.text import entity_chunks

from .shared.entities import entity_problem, replaced_entities


class EntitySwap(Perturbation):
    """Every entity of the test set that also occurs in the source language's training set is replaced by one of the
    same type that occurs in the test set, but not in that training set.

    Perturbation P1 ("replace overlapping entities") of Manafi & Krishnaswamy (LREC-COLING 2024). An entity is a B- tag
    with the I- tags that follow, compared as its tokens joined by spaces, case and all. The tags are rebuilt for the
    length of the new entity. An entity stays where the test set has no unknown one of its type; where the two sets
    share none, nothing changes (the authors' own check: Arabic to Hindi).

    The paper's code for putting entities in place is not public, so ours are: each occurrence gets a uniform draw of
    its own among the different unknown entities of its type; and an entity is known whatever its type is in the
    training set, since a model that has seen *Washington* as a person has seen the name.
    """

    info = PerturbationInfo(
        name="entity_swap",
        summary="entities known from source training replaced by unknown ones of the same type",
        kinds=("token_classification",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (P1)",
        keeps_tokens=False,
    )
    needs = frozenset({"source_train", "target_test"})

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        return entity_problem(task)

    def prepare(self, ctx: PerturbationContext) -> None:
        self._known = ctx.once(
            ("entity_swap", "known"), lambda: frozenset(text for text, _ in entity_chunks(ctx.source_train()))
        )
        unknown = defaultdict(list)
        for text, kind in sorted(entity_chunks(ctx.target_test())):
            if text not in self._known:
                unknown[kind].append(text.split(" "))
        self._unknown = dict(unknown)

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        def replacement(entity: tuple[str, ...], kind: str) -> list[str] | None:
            if " ".join(entity) not in self._known or kind not in self._unknown:
                return None
            return rng.choice(self._unknown[kind])

        return replaced_entities(example, replacement)
