"""The resolved spec of a run, which its result document holds, and the run id computed from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from xrobust.config.training_settings import Precision, TrainingSettings
from xrobust.storage.hashing import canonical_json

SPEC_VERSION = 3
SINCE_2 = ("selection",)
"""Settings that a spec of version 1 lacks: not part of its hash."""
TRAINING_SINCE_3 = ("dev_looks",)
"""Training settings that a spec of version 1 or 2 lacks: not part of its hash."""


class MethodSpec(BaseModel):
    """One part of a composed method."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    params: dict[str, Any]
    """Every parameter, resolved; paths are left out."""
    files: dict[str, str] = {}
    """sha256 of the files that the method reads, by the method's name for them."""
    plugin_version: str | None = None
    """Version of the distribution of a third party's method, with which the method may change."""
    plugin_sha256: str | None = None
    """sha256 of the file of a method that came from a single file: an edited file is another run."""


class SelectionSpec(BaseModel):
    """The metric that weights are selected by on the source dev set."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metric: str
    version: int


class TrainSpec(BaseModel):
    """Everything that determines the trained weights: its hash is the run id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    spec_version: int = SPEC_VERSION
    selection: SelectionSpec | None = None
    """Metric that the kept weights were best in on the source dev set; null in a spec of version 1."""
    task: str
    task_plugin_version: str | None = None
    task_plugin_sha256: str | None = None
    method: tuple[MethodSpec, ...]
    model: dict[str, str | None]
    """`id` and `revision` of a hub model, or the `sha256` of a folder's weights, configuration and tokenizer."""
    source: str
    training: TrainingSettings
    precision: Precision
    seed: int = Field(ge=0, lt=2**64)
    limit: int | None = Field(gt=0)
    data: dict[str, str]
    """sha256 of the `train` and `dev` rows in the source language."""

    @property
    def method_name(self) -> str:
        """The method as people write it: names of its parts, joined with `+`."""
        return "+".join(part.name for part in self.method)


class PerturbationSpec(BaseModel):
    """One perturbation with its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    label: str
    """Label of its scores: the name, with the parameters that are not at their defaults in parentheses."""
    name: str
    version: int
    params: dict[str, Any]
    """Every parameter, resolved; paths are left out."""
    seed: int
    plugin_version: str | None = None
    plugin_sha256: str | None = None


class AttackSpec(BaseModel):
    """An attack with its parameters, resolved."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    params: dict[str, Any]


class EvaluationSpec(BaseModel):
    """Languages, pairs and conditions to score. Never part of the run id: more of them add rows to one document."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    languages: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    """The first text of each example in one language, the second in the other."""
    perturbations: tuple[PerturbationSpec, ...] = ()
    attack: AttackSpec | None = None
    under: dict[str, tuple[str, ...]] = {}
    """Label of a perturbation -> languages to score under it."""
    attacked: tuple[str, ...] = ()
    """Languages to score under the attack."""
    min_examples: int | None = Field(default=None, ge=1, le=2**31)
    """Fewest changed examples of a language that is in the means under a condition; null: 30."""

    def with_more(self, more: EvaluationSpec) -> EvaluationSpec:
        """Merges two evaluation specs."""
        perturbations = {p.label: p for p in (*self.perturbations, *more.perturbations)}
        return EvaluationSpec(
            languages=tuple(dict.fromkeys((*self.languages, *more.languages))),
            pairs=tuple(dict.fromkeys((*self.pairs, *more.pairs))),
            perturbations=tuple(perturbations.values()),
            attack=more.attack or self.attack,
            under={
                label: tuple(dict.fromkeys((*self.under.get(label, ()), *more.under.get(label, ()))))
                for label in perturbations
            },
            attacked=tuple(dict.fromkeys((*self.attacked, *more.attacked))),
            min_examples=more.min_examples or self.min_examples,
        )


class Spec(BaseModel):
    """A resolved run, as the result document holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: TrainSpec
    evaluation: EvaluationSpec


def run_id(train: Mapping[str, Any]) -> str:
    """16 hex digits of the sha256 over a `TrainSpec` in plain JSON values."""
    version, training = train.get("spec_version"), train.get("training")
    if version == 1:
        train = {key: value for key, value in train.items() if key not in SINCE_2}
    if version in (1, 2) and isinstance(training, Mapping):
        own = {key: value for key, value in training.items() if value is not None or key not in TRAINING_SINCE_3}
        train = {**train, "training": own}
    return hashlib.sha256(canonical_json(train).encode()).hexdigest()[:16]


def group_id(train: Mapping[str, Any]) -> str:
    """The run id without the seed: equal for runs that are repetitions of one another."""
    return run_id({key: value for key, value in train.items() if key != "seed"})
