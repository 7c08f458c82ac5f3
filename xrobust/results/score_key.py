"""The key of a score: the test set and the condition that it is scored under, in columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

ConditionName = Literal["clean", "perturbed", "attack", "worst_case"]
"""`worst_case`: the worst of clean text and of all perturbations, example by example."""
Pair = tuple[str, str]
"""Two languages: the first text of each example in one, the second in the other."""


class Section(BaseModel):
    """A part of the document: unknown keys are refused, so that a misspelt field is found by the first test."""

    model_config = ConfigDict(extra="forbid")


class ScoreKey(Section):
    """A test set and the condition that it is scored under: what tells the scores of a document apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    condition: ConditionName = "clean"
    language: str | None = None
    """The language of the test set; null for a pair of languages."""
    pair: Pair | None = None
    """The first text in one language, the second in another; null for one language."""
    perturbation: str | None = None
    """Label of the perturbation; null unless the condition is `perturbed`."""
    attack: str | None = None
    """Label of the attack with its radius; null unless the condition is `attack`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.language is None) == (self.pair is None):
            raise ValueError("a test set has a language or a pair of them")
        if (self.perturbation is not None) != (self.condition == "perturbed"):
            raise ValueError("a perturbation goes with the condition perturbed")
        if (self.attack is not None) != (self.condition == "attack"):
            raise ValueError("an attack goes with the condition attack")
        return self

    @property
    def name(self) -> str:
        """The language, or the pair as people write it: `de`, `en:de`."""
        return pair_name(self.pair) if self.pair is not None else str(self.language)

    @property
    def label(self) -> str | None:
        """The condition's name in tables and file names; None for clean text."""
        return condition_label(self.condition, self.perturbation, self.attack)

    @property
    def key(self) -> ScoreKey:
        """These columns alone: equal for all rows of one test set under one condition."""
        values = {name: getattr(self, name) for name in ScoreKey.model_fields}
        return ScoreKey.model_construct(**values)  # checked when the row was made


def condition_label(
    condition: ConditionName, perturbation: str | None, attack: str | None, worst_of: Sequence[str] = ()
) -> str | None:
    """A condition's name in tables and file names: the label of the perturbation or attack; None for clean text.

    Of a worst case `worst of casing, typos`, and `worst_case` where its set is not given.
    """
    worst = f"worst of {', '.join(worst_of)}" if worst_of else "worst_case"
    return {"clean": None, "perturbed": perturbation, "attack": attack, "worst_case": worst}[condition]


def pair_name(pair: Pair) -> str:
    """A pair of languages as people write it: `en:de`, first language first."""
    return ":".join(pair)
