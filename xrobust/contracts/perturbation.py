"""A perturbation: a change to test inputs that keeps the gold label."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from xrobust.contracts.example import Example
from xrobust.contracts.method import Parameters


@dataclass(frozen=True)
class PerturbationInfo:
    """Facts about a perturbation."""

    name: str
    """As its entry point is called."""
    summary: str
    """One line, shown by `xrobust list perturbations`."""
    kinds: tuple[str, ...]
    """Names of the kinds of task it applies to."""
    citation: str = ""


class Perturbation:
    """Base of all perturbations: entry-point group `xrobust.perturbations`."""

    info: ClassVar[PerturbationInfo]

    class Params(Parameters):
        """No parameters."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def coverage(self, language: str) -> bool:
        """Whether it applies to `language` at all: clean text is never passed off as perturbed."""
        return True

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        """The perturbed example with its gold label unchanged, or None where it does not apply to this one."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply")
