"""Requests of a user, for a run or an evaluation, as plain values that pydantic checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from xrobust.config.presets import DEFAULT_METHOD, over_preset
from xrobust.config.robustness_settings import RobustnessSettings
from xrobust.config.training_settings import Precision, TrainingSettings
from xrobust.config.tuning_record import TuningSection
from xrobust.config.validation import validated
from xrobust.contracts.task import Recipe
from xrobust.errors import UserError, did_you_mean, shown
from xrobust.storage.regular_file import unusable

DEFAULT_MODEL = "bert-base-multilingual-cased"
KeepCheckpoints = Literal["none", "best", "all"]
TRACKERS = ("tensorboard", "mlflow", "wandb")
"""Experiment trackers that a run can be logged to."""
EXPERIMENT = re.compile(r"\w[\w .-]{0,99}")
"""Names of experiments: they become names of folders, and are quoted in queries."""


class EvaluationRequest(BaseModel):
    """Request to score a model: the arguments of `xrobust eval`, and part of those of `run`."""

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
    robustness: RobustnessSettings = Field(
        default_factory=RobustnessSettings, description="{setting: value} of the means over languages: min_examples"
    )

    @field_validator("languages", mode="before")
    @classmethod
    def _several_languages(cls, value: Any) -> Any:
        """Splits `en,de` in one string, and refuses an empty list: a run that scores nothing."""
        if isinstance(value, str):
            value = tuple(code.strip() for code in value.split(",") if code.strip())
        if value is not None and not value:
            raise ValueError("name at least one language, as in en,de")
        return value

    @field_validator("perturb", "pairs", mode="before")
    @classmethod
    def _several_names(cls, value: Any) -> Any:
        """Splits `typos,casing` in one string."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return () if value is None else value


class RunSpec(EvaluationRequest):
    """Request for a run: the arguments of `xrobust run`, and the keys of a `--config` file."""

    task: str = Field(description="task plugin")
    method: str = Field(default=DEFAULT_METHOD, description="method plugin, or several joined with '+'")
    method_params: dict[str, Any] = Field(
        default_factory=dict, description="{parameter: value}, or {method: {parameter: value}} for composed methods"
    )
    model: str = Field(default=DEFAULT_MODEL, description="hub id or folder of a pre-trained encoder")
    model_revision: str | None = Field(default=None, description="commit of a hub model")
    source: str | None = Field(default=None, description="language to train on; the task's own where not given")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of everything random in training")
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
    log_with: tuple[str, ...] = Field(
        default=(), description="experiment trackers to log to: tensorboard, mlflow, wandb"
    )
    experiment: str | None = Field(
        default=None, description="name of the experiment that the run belongs to: its group in experiment trackers"
    )
    plugins: tuple[Path, ...] = Field(default=(), description="files with plugins")
    force: bool = Field(default=False, description="do the run again though it is complete")
    tuning: TuningSection | None = Field(
        default=None, description="how the settings were chosen: written by xrobust sweep"
    )

    @field_validator("data_dir", mode="before")
    @classmethod
    def _keep_the_dot(cls, value: Any) -> Any:
        """Makes `./mini`, a folder, absolute: a Path would turn it into `mini`, which may be bundled data."""
        return Path(value).absolute() if isinstance(value, str) and value.startswith(".") else value

    @field_validator("model", "data_dir", "output", "plugins")
    @classmethod
    def _usable_names(cls, value: Any) -> Any:
        """Refuses names of files that no system has, or that no document can hold."""
        for name in value if isinstance(value, tuple) else (value,):
            if (problem := unusable(str(name))) is not None:
                raise ValueError(f"no name of a file: {problem}")
        return value

    @field_validator("log_with", mode="before")
    @classmethod
    def _several_trackers(cls, value: Any) -> Any:
        """Splits `tensorboard,mlflow` in one string."""
        return cls._several_names(value)

    @field_validator("log_with")
    @classmethod
    def _known_trackers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuses trackers that there are not."""
        for name in value:
            if name not in TRACKERS:
                raise ValueError(f"unknown tracker {shown(name)}: {did_you_mean(name, TRACKERS)}")
        return tuple(dict.fromkeys(value))

    @field_validator("experiment")
    @classmethod
    def _usable_experiment(cls, value: str | None) -> str | None:
        """Refuses what is no name of a folder, or cannot be quoted."""
        if value is not None and not EXPERIMENT.fullmatch(value):
            raise ValueError(
                "the name of an experiment begins with a letter or digit, and goes on with letters, digits, spaces, "
                "'.', '_' and '-', 100 at most"
            )
        return value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RunSpec:
        """A spec from plain values. Raises UserError, one line, with 'did you mean' for unknown keys."""
        return validated(cls, values, "")

    @classmethod
    def from_preset(cls, preset: str, **values: Any) -> RunSpec:
        """A spec of `values` over those of a preset, a name or a file: `RunSpec.from_preset("mini", task="pos")`.

        Raises UserError.
        """
        return cls.parse(over_preset(preset, values, check_values))


def check_values(values: Mapping[str, Any], path: Path, section: str = "") -> None:
    """Raises UserError, which names the file and the section in it, for settings that no run has.

    Limits that depend on the task or method are checked later.
    """
    try:
        RunSpec.parse({"task": "", **values})
        if values.get("training"):
            TrainingSettings.resolve(Recipe(epochs=1, learning_rate=1.0), values["training"])
    except UserError as error:
        raise UserError(f"{path}{f', {section}' if section else ''}: {error}") from error
