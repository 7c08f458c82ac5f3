"""The state of a training, all of which goes into a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class TrainerState:
    """Where training is. All of it goes into a checkpoint, as JSON."""

    step: int = 0
    examples: int = 0
    seconds: float = 0.0
    best: str | None = None
    """Name of the file with the best weights so far."""
    best_step: int = 0
    best_value: float = -math.inf
    curve: list[dict[str, float]] = field(default_factory=list)
    dev: list[dict[str, float]] = field(default_factory=list)
    logged: float = 0.0
    """Loss summed since the last logged step, and steps in it: so that a resumed curve is the same curve."""
    logged_steps: int = 0
    micro_batch_size: int | None = None
    """What the micro-batches were reduced to where memory ran out; a training that goes on keeps to it."""
