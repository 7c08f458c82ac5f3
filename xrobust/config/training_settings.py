"""The training settings of a run, every one of them resolved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from xrobust.config.validation import validated
from xrobust.contracts.task import Recipe
from xrobust.errors import UserError

Precision = Literal["fp32", "bf16", "fp16"]
SENSIBLE = {
    "learning_rate": (1e-9, 1.0),
    "weight_decay": (0.0, 1.0),
    "adam_epsilon": (1e-16, 1.0),
    "max_grad_norm": (1e-6, math.inf),
}
"""Ranges beyond which a training cannot succeed, the ends included. AdamW moves each weight by about the learning rate
in a step: by less than the float32 numbers near it are apart, or by more than all of it."""


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
        default=0.0,
        ge=0,
        description="AdamW's decoupled weight decay, on all but biases, norms and other vectors (IA3's)",
    )
    adam_epsilon: float = Field(default=1e-8, gt=0, description="AdamW's epsilon")
    max_grad_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to this L2 norm")

    @classmethod
    def resolve(cls, recipe: Recipe, overrides: Mapping[str, Any]) -> TrainingSettings:
        """The task's published recipe with the user's settings over it. Raises UserError."""
        defaults = {name: getattr(recipe, name) for name in cls.model_fields if hasattr(recipe, name)}
        settings = validated(cls, {**defaults, **overrides}, "training")
        for name, (least, most) in SENSIBLE.items():
            value = getattr(settings, name)
            if not least <= value <= most:
                bounds = f"between {least:g} and {most:g}" if math.isfinite(most) else f"{least:g} or more"
                raise UserError(f"setting 'training.{name}' is {value!r}: nothing can be learnt with it, give {bounds}")
        return settings
