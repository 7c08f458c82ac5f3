"""Strength of an attack that a score is under: two scores are compared only if it is equal."""

from __future__ import annotations

import math
from typing import NamedTuple

from xrobust.results.sections import ScoreRow

SAME_RADIUS = 1e-6
"""Radii may differ by that share: norms of embeddings are sums whose last digits depend on the machine."""


class AttackStrength(NamedTuple):
    """Columns of a score that say how strong the attack was; None in documents from before they were written down."""

    radius: float | None
    attack_losses: str | None
    attack_steps: int | None
    attack_restarts: int | None

    @property
    def text(self) -> str:
        """The strength as one text, equal where strengths are; empty where nothing is known."""
        return "" if self.radius is None else " ".join([f"{self.radius:.6g}", *map(str, self[1:])])


def strength_of(row: ScoreRow) -> AttackStrength:
    """The strength of the attack that a score is under."""
    return AttackStrength(row.radius, row.attack_losses, row.attack_steps, row.attack_restarts)


def strength_difference(one: AttackStrength, other: AttackStrength) -> str | None:
    """Says in what two attacks differ, as in `steps 10 and 20`; None if they are as strong."""
    for name, a, b in zip(("radius", "losses", "steps", "restarts"), one, other, strict=True):
        same = math.isclose(a, b, rel_tol=SAME_RADIUS) if isinstance(a, float) and isinstance(b, float) else a == b
        if not same:
            return f"{name} {_shown(a)} and {_shown(b)}"
    return None


def _shown(value: float | int | str | None) -> str:
    if value is None:
        return "not written down"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
