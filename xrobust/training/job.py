"""What is trained, on what, how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.method import Objective
from xrobust.engine.order import steps_per_epoch
from xrobust.training.checkpoints import Checkpoints


@dataclass
class TrainingJob:
    """What is trained, on what, how."""

    model: Any
    """The adapted model, not yet prepared by Accelerate."""
    objective: Objective
    encoded: Callable[[int], Encoded]
    """The training set of an epoch."""
    examples: int
    score_dev: Callable[[Any], float]
    """The main metric of a (prepared) model on the source dev set; the same value on all processes."""
    settings: TrainingSettings
    seed: int
    pad_id: int
    micro_batch_size: int | None
    checkpoint_steps: int | None
    checkpoint_minutes: float | None
    checkpoints: Checkpoints
    metric: str


def total_steps(examples: int, settings: TrainingSettings) -> int:
    """Optimiser steps of a run."""
    return settings.max_steps or settings.epochs * steps_per_epoch(examples, settings.batch_size)


def steps_between_selections(job: TrainingJob) -> int:
    """Optimiser steps between looks at the source dev set."""
    return job.settings.select_every or steps_per_epoch(job.examples, job.settings.batch_size)


def checkpoint_count(job: TrainingJob) -> int:
    """Checkpoints that a run writes by its steps; the last has none, for the trained model is written then."""
    return (total_steps(job.examples, job.settings) - 1) // (job.checkpoint_steps or steps_between_selections(job))
