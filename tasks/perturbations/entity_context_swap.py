"""Entities and words outside them that are known from training are replaced by unknown ones."""

from __future__ import annotations

import random

from xrobust.contracts import Example, Perturbation, PerturbationContext, PerturbationInfo, Task

from .context_swap import ContextSwap
from .entity_swap import EntitySwap


class EntityContextSwap(Perturbation):
    """`entity_swap` and `context_swap` together: of what training has shown, nothing stays in a sentence but stopwords,
    punctuation and what has no unknown counterpart.

    Perturbation P3 ("combine") of Manafi & Krishnaswamy (LREC-COLING 2024).
    """

    info = PerturbationInfo(
        name="entity_context_swap",
        summary="entity_swap and context_swap together",
        kinds=("token_classification",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (P3)",
        keeps_tokens=False,
    )
    needs = EntitySwap.needs | ContextSwap.needs

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        return EntitySwap.task_problem(task) or ContextSwap.task_problem(task)

    def prepare(self, ctx: PerturbationContext) -> None:
        self._parts = (EntitySwap(EntitySwap.Params()), ContextSwap(ContextSwap.Params()))
        for part in self._parts:
            part.prepare(ctx)

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        changed: Example | None = None
        for part in self._parts:
            changed = part.apply(changed or example, language, rng) or changed
        return changed
