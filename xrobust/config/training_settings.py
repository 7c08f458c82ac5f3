"""The training settings of a run, every one of them resolved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from xrobust.config.validation import validated
from xrobust.contracts.task import Recipe
from xrobust.errors import UserError

Precision = Literal["fp32", "bf16", "fp16"]
EmbeddingRows = Literal["used", "all"]
SENSIBLE = {
    "learning_rate": (1e-9, 1.0),
    "weight_decay": (0.0, 1.0),
    "adam_epsilon": (1e-16, 1.0),
    "max_grad_norm": (1e-6, math.inf),
}
"""Ranges beyond which a training cannot succeed, the ends included. AdamW moves each weight by about the learning rate
in a step: by less than the float32 numbers near it are apart, or by more than all of it."""
DEV_LOOKS = 10
"""Looks at the source dev set of a run whose recipe and user say nothing of them."""
SCHEDULES = ("dev_looks", "select_every")
"""Settings of when the source dev set is looked at: one of them decides, the other is null."""


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
    dev_looks: int | None = Field(
        default=None,
        gt=0,
        description="looks at the source dev set, evenly spaced over the steps, the last at the end; null: once an "
        "epoch, or as select_every says",
    )
    select_every: int | None = Field(
        default=None,
        gt=0,
        description="optimiser steps between looks at the source dev set, in place of dev_looks: a method that trains "
        "for longer then looks more often",
    )
    warmup_ratio: float = Field(default=0.0, ge=0, lt=1, description="share of the steps with rising learning rate")
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="AdamW's decoupled weight decay, on all but biases, norms and other vectors (IA3's)",
    )
    adam_epsilon: float = Field(default=1e-8, gt=0, description="AdamW's epsilon")
    max_grad_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to this L2 norm")
    embedding_rows: SkipJsonSchema[EmbeddingRows] = Field(
        default="used",
        exclude=True,  # the weights are the same bit for bit: no part of a run's identity, and in no document
        description="word embeddings held for training: those of word pieces that occur in the training set, or all; "
        "the weights are the same",
    )

    @classmethod
    def resolve(cls, recipe: Recipe, overrides: Mapping[str, Any]) -> TrainingSettings:
        """The task's published recipe with the user's settings over it. Raises UserError.

        Of `dev_looks` and `select_every` one is set: by the user, else by the recipe, else `dev_looks` to DEV_LOOKS.
        Both are null, for a look an epoch, where the user sets one of them to null.
        """
        defaults = {name: getattr(recipe, name) for name in cls.model_fields if hasattr(recipe, name)}
        if overrides.keys() & set(SCHEDULES):
            defaults["select_every"] = None
        elif recipe.select_every is None:
            defaults["dev_looks"] = DEV_LOOKS
        settings = validated(cls, {**defaults, **overrides}, "training")
        if settings.dev_looks is not None and settings.select_every is not None:
            raise UserError(
                f"settings 'training.dev_looks' ({settings.dev_looks}) and 'training.select_every' "
                f"({settings.select_every}) both say when to look at the source dev set: set one of them to null"
            )
        for name, (least, most) in SENSIBLE.items():
            value = getattr(settings, name)
            if not least <= value <= most:
                bounds = f"between {least:g} and {most:g}" if math.isfinite(most) else f"{least:g} or more"
                raise UserError(f"setting 'training.{name}' is {value!r}: nothing can be learnt with it, give {bounds}")
        return settings
