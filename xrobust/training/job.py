"""A training job: an adapted model with everything that the training loop needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.method import Objective
from xrobust.encoding.truncation import Truncation
from xrobust.engine.order import steps_per_epoch
from xrobust.training.checkpoints import Checkpoints
from xrobust.training.inputs import TrainingOptions
from xrobust.training.objective import Place


@dataclass
class TrainingJob:
    """An adapted model with its objective, data, settings and checkpoints."""

    model: Any
    """The adapted model, not yet prepared by Accelerate."""
    objective: Objective
    encoded: Callable[[int], Encoded]
    """Gives the training set of an epoch (from 0)."""
    examples: int
    """Examples in an epoch."""
    every_epoch: bool = field(default=False, kw_only=True)
    """True where the training set of an epoch is another than that of the one before."""
    score_dev: Callable[[Any], float]
    """The main metric of a (prepared) model on the source dev set; the same value on all processes."""
    settings: TrainingSettings
    seed: int
    pad_id: int
    options: TrainingOptions
    checkpoints: Checkpoints
    metric: str
    """Name of the metric that `score_dev` computes."""
    all_rows: str | None = ""
    """Reason that all rows of the word embeddings are trained, empty where it goes without saying; None where those
    that occur are."""
    warn_of_cut: Callable[[Truncation | None], object] = lambda found: None
    """Logs what was cut away from the training set where that is much."""
    place: Place = field(default_factory=Place)
    """Step that an error of the objective names: the loop keeps it."""


def total_steps(examples: int, settings: TrainingSettings) -> int:
    """Optimiser steps of a run."""
    return settings.max_steps or settings.epochs * steps_per_epoch(examples, settings.batch_size)


def epochs_with_others(job: TrainingJob) -> range:
    """Numbers of the epochs whose training sets differ: of all that training begins, or of the first alone."""
    steps = steps_per_epoch(job.examples, job.settings.batch_size)
    return range(-(-total_steps(job.examples, job.settings) // steps) if job.every_epoch else 1)


def look_steps(examples: int, settings: TrainingSettings) -> frozenset[int]:
    """Optimiser steps (from 1) after which the source dev set is looked at; the last step is one of them.

    `examples` are those of an epoch. With `dev_looks` the k-th of L looks at T steps comes after round(k T / L) of
    them, halves up; where there are fewer steps than looks, after each.
    """
    total = total_steps(examples, settings)
    if settings.dev_looks is not None:
        looks = min(settings.dev_looks, total)
        return frozenset((2 * k * total + looks) // (2 * looks) for k in range(1, looks + 1))
    every = settings.select_every or steps_per_epoch(examples, settings.batch_size)
    return frozenset({*range(every, total + 1, every), total})


def checkpoint_count(job: TrainingJob) -> int:
    """Checkpoints that a run writes by its steps; the last has none, for the trained model is written then."""
    if job.options.checkpoint_steps:
        return (total_steps(job.examples, job.settings) - 1) // job.options.checkpoint_steps
    return len(look_steps(job.examples, job.settings)) - 1
