"""What a run is: `RunSpec` is what a user asks for, `Spec` what that resolves to and what the run id is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xrobust.contracts.task import Recipe
from xrobust.errors import UserError, did_you_mean

SPEC_VERSION = 1
DEFAULT_MODEL = "bert-base-multilingual-cased"

Precision = Literal["fp32", "bf16", "fp16"]
KeepCheckpoints = Literal["none", "best", "all"]


class TrainingSettings(BaseModel):
    """The training settings of a run, every one of them resolved. AdamW, linear decay to zero."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(gt=0, description="passes over the (augmented) training set")
    max_steps: int | None = Field(
        default=None, gt=0, description="optimiser steps; overrides epochs, starting the data over as often as needed"
    )
    learning_rate: float = Field(gt=0, description="peak learning rate of AdamW")
    batch_size: int = Field(gt=0, description="examples per optimiser step, over accumulation and processes")
    max_length: int = Field(ge=8, description="word pieces per model input, special tokens included")
    select_every: int | None = Field(
        default=None, gt=0, description="optimiser steps between looks at the source dev set; null: each epoch"
    )
    warmup_ratio: float = Field(default=0.0, ge=0, lt=1, description="share of the steps with rising learning rate")
    weight_decay: float = Field(
        default=0.0, ge=0, description="AdamW's decoupled weight decay, on all but biases and norms"
    )
    adam_epsilon: float = Field(default=1e-8, gt=0, description="AdamW's epsilon")
    max_grad_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to this L2 norm")

    @classmethod
    def resolve(cls, recipe: Recipe, overrides: Mapping[str, Any]) -> TrainingSettings:
        """The task's published recipe with the user's settings over it. Raises UserError."""
        defaults = {name: getattr(recipe, name) for name in cls.model_fields if hasattr(recipe, name)}
        return validated(cls, {**defaults, **overrides}, "training")


class EvaluationRequest(BaseModel):
    """What a user asks a model to be scored on: the arguments of `xrobust eval`, and part of those of `run`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    languages: tuple[str, ...] | None = Field(default=None, description="languages to score; all there are by default")
    pairs: tuple[str, ...] = Field(
        default=(), description="pairs of languages to score, first text in one, second in the other: en:de, or all"
    )
    perturb: tuple[str, ...] = Field(default=(), description="perturbation plugins to score every language under")
    perturb_params: dict[str, Any] = Field(
        default_factory=dict, description="{parameter: value}, or {perturbation: {parameter: value}}; seed for all"
    )
    attack: str | None = Field(default=None, description="attack on the embeddings to score every language under: pgd")
    attack_params: dict[str, Any] = Field(default_factory=dict, description="{parameter: value} of the attack")

    @field_validator("languages", mode="before")
    @classmethod
    def _several_languages(cls, value: Any) -> Any:
        """`en,de` in one string is a list too, and none at all is a mistake: a run that scores nothing."""
        if isinstance(value, str):
            value = tuple(code.strip() for code in value.split(",") if code.strip())
        if value is not None and not value:
            raise ValueError("name at least one language, as in en,de")
        return value

    @field_validator("perturb", "pairs", mode="before")
    @classmethod
    def _several_names(cls, value: Any) -> Any:
        """`typos,casing` in one string is a list too."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return () if value is None else value


class RunSpec(EvaluationRequest):
    """What a user asks for: the arguments of `xrobust run`, and the keys of a `--config` file."""

    task: str = Field(description="task plugin")
    method: str = Field(default="vanilla", description="method plugin, or several joined with '+'")
    method_params: dict[str, Any] = Field(
        default_factory=dict, description="{parameter: value}, or {method: {parameter: value}} for composed methods"
    )
    model: str = Field(default=DEFAULT_MODEL, description="hub id or folder of a pre-trained encoder")
    model_revision: str | None = Field(default=None, description="commit of a hub model")
    source: str | None = Field(default=None, description="language to train on; the task's own where not given")
    seed: int = Field(default=0, ge=0, description="seed of everything random in training")
    limit: int | None = Field(default=None, gt=0, description="use the first N rows of every split: for quick tries")
    precision: Precision = Field(default="fp32", description="fp32, bf16 or fp16 (autocast)")
    training: dict[str, Any] = Field(default_factory=dict, description="settings over the task's recipe")
    data_dir: Path | None = Field(default=None, description="folder with data; the hub where not given")
    output: Path = Field(default=Path("runs"), description="folder that runs are written to")
    offline: bool = Field(default=False, description="use only what is on this machine")
    keep_checkpoints: KeepCheckpoints = Field(
        default="best", description="after the run: none; the selected model; or all training checkpoints too"
    )
    micro_batch_size: int | None = Field(
        default=None,
        gt=0,
        description="model inputs per forward pass on each process; by default the whole share, or what fits of it",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute activations again for the gradient: less memory, more time, same weights"
    )
    checkpoint_steps: int | None = Field(
        default=None, gt=0, description="optimiser steps between checkpoints; at each look at the dev set by default"
    )
    checkpoint_minutes: float | None = Field(
        default=15.0,
        gt=0,
        strict=True,
        allow_inf_nan=False,
        description="minutes after which a checkpoint is written in any case; null for never",
    )
    plugins: tuple[Path, ...] = Field(default=(), description="files with plugins")
    force: bool = Field(default=False, description="do the run again though it is complete")

    @field_validator("data_dir", mode="before")
    @classmethod
    def _keep_the_dot(cls, value: Any) -> Any:
        """`./mini` is a folder and `mini` may be the name of bundled data; a Path would make one of both."""
        return Path(value).absolute() if isinstance(value, str) and value.startswith(".") else value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RunSpec:
        """A spec from plain values. Raises UserError, one line, with 'did you mean' for unknown keys."""
        return validated(cls, values, "")

    @classmethod
    def from_preset(cls, preset: str, **values: Any) -> RunSpec:
        """`values` over those of a preset, a name or a file: `RunSpec.from_preset("mini", task="pos")`.

        Raises UserError.
        """
        from xrobust.preset_files import over_preset

        return cls.parse(over_preset(preset, values))


class MethodSpec(BaseModel):
    """One part of a composed method."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    params: dict[str, Any]
    """Every parameter, resolved; paths are left out."""
    files: dict[str, str] = {}
    """sha256 of the files that the method reads, by the method's name for them."""
    plugin_version: str | None = None
    """Of a third party's method: the version of its distribution, with which the method may change."""
    plugin_sha256: str | None = None
    """Of a method that came from a single file: an edited file is another run."""


class TrainSpec(BaseModel):
    """Everything that determines the trained weights: its hash is the run id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    spec_version: int = SPEC_VERSION
    task: str
    task_plugin_version: str | None = None
    task_plugin_sha256: str | None = None
    method: tuple[MethodSpec, ...]
    model: dict[str, str | None]
    """`id` and `revision` of a hub model, or the `sha256` of a folder's weights, configuration and tokenizer."""
    source: str
    training: TrainingSettings
    precision: Precision
    seed: int
    limit: int | None
    data: dict[str, str]
    """sha256 of the `train` and `dev` rows in the source language."""


class PerturbationSpec(BaseModel):
    """One perturbation with its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    label: str
    """What its scores are called: the name, with the parameters that are not at their defaults in parentheses."""
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
    """What the trained model is scored on. Never part of the run id: more of it adds rows to the same document."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    languages: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    """As in `en:de`: the first text in English, the second in German."""
    perturbations: tuple[PerturbationSpec, ...] = ()
    attack: AttackSpec | None = None
    under: dict[str, tuple[str, ...]] = {}
    """Label of a perturbation -> languages to score under it."""
    attacked: tuple[str, ...] = ()
    """Languages to score under the attack."""

    def with_more(self, more: EvaluationSpec) -> EvaluationSpec:
        """Both together."""
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
        )


class Spec(BaseModel):
    """A resolved run, as the result document holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: TrainSpec
    evaluation: EvaluationSpec


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def run_id(train: Mapping[str, Any]) -> str:
    """16 hex digits of the sha256 over a `TrainSpec` in plain JSON values."""
    return hashlib.sha256(canonical_json(train).encode()).hexdigest()[:16]


def group_id(train: Mapping[str, Any]) -> str:
    """The run id without the seed: equal for runs that are repetitions of one another."""
    return run_id({key: value for key, value in train.items() if key != "seed"})


Model = TypeVar("Model", bound=BaseModel)


def validated(cls: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`cls(**values)`, with pydantic's complaint as one line. `where` is the prefix of the keys in messages."""
    try:
        return cls(**{str(key): value for key, value in values.items()})  # YAML has keys that are numbers
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        if first["type"] == "extra_forbidden":
            known = list(cls.model_fields)
            raise UserError(f"unknown setting {key!r}: {did_you_mean(str(first['loc'][-1]), known)}") from error
        if first["type"] == "missing":
            raise UserError(f"setting {key!r} is missing") from error
        expected = {
            "tuple_type": "a list is expected, as in [a, b]",
            "dict_type": "names with values are expected: {name: value}",
            "path_type": "a path is expected",
        }
        message = expected.get(first["type"], first["msg"].removeprefix("Value error, "))
        message = message[0].lower() + message[1:]
        if first["type"] == "string_type" and isinstance(first["input"], bool):
            message += " (YAML takes no, off, yes and on for false and true: put it in quotes)"
        raise UserError(f"setting {key!r} is {first['input']!r}: {message}") from error
