"""Inputs of a training: what is trained on, from which encoder, and options that do not change the run's identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xrobust.config.resolved_spec import TrainSpec
from xrobust.contracts import Example, Method, Task


@dataclass(frozen=True)
class TrainingInputs:
    """Task, methods and data of a training, with the resolved spec that they were made from."""

    spec: TrainSpec
    task: Task
    methods: Sequence[Method]
    """Methods in canonical order, as `spec.method` has them."""
    files: Mapping[str, Mapping[str, Path]]
    """{name of a method: {name of a file: path}}."""
    train: Sequence[Example]
    """Training examples in the source language, before any method augments them."""
    dev: Sequence[Example]
    """Examples of the source dev set, which selection goes by."""


@dataclass(frozen=True)
class EncoderPlace:
    """Place of a pre-trained encoder."""

    path_or_id: str
    """Folder or hub id."""
    revision: str | None = None
    """Commit of a hub model."""
    offline: bool = False
    """True to use only what is on this machine."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of memory and checkpoints, which are no part of a run's identity."""

    micro_batch_size: int | None = None
    """Model inputs per forward pass on each process; None for the whole share, or what fits of it."""
    gradient_checkpointing: bool = False
    """True to compute activations again for the gradient: less memory, more time, the same weights."""
    checkpoint_steps: int | None = None
    """Optimiser steps between checkpoints; None for one at each look at the dev set."""
    checkpoint_minutes: float | None = None
    """Minutes after which a checkpoint is written in any case; None for never."""
    keep_all_checkpoints: bool = False
    """True to keep every checkpoint, False for the last two."""
