"""The state of a training, all of which goes into a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainerState:
    """Progress of a training: counts, loss curve, dev scores. A checkpoint holds all of it, as JSON."""

    step: int = 0
    """Optimiser steps done."""
    examples: int = 0
    """Examples trained on, over all processes; an example counts each time."""
    seconds: float = 0.0
    """Wall-clock seconds in optimiser steps: without looks at the dev set and checkpoints."""
    best: str | None = None
    """Name of the file with the best weights so far."""
    best_step: int = 0
    best_value: float = -math.inf
    curve: list[dict[str, float]] = field(default_factory=list)
    dev: list[dict[str, float]] = field(default_factory=list)
    """One entry for each look at the source dev set."""
    logged: float = 0.0
    """Loss summed since the last logged step, and steps in it: so that a resumed curve is the same curve."""
    logged_steps: int = 0
    micro_batch_size: int | None = None
    """Size that micro-batches were reduced to because memory ran out; a resumed training keeps to it."""
    tokens: int | None = 0
    """Word pieces of all model inputs trained on, over all processes: special tokens included, padding not. None where
    the training began before they were counted."""
    processed_tokens: int | None = 0
    """Word pieces put through the encoder: `tokens`, as often as the objective makes a forward pass of each. None where
    the training began before they were counted."""
    embedding_rows: str | None = None
    """sha256 of the numbers of the word embeddings that are trained; None for all of them."""
    truncation: dict[str, Any] | None = None
    """`Truncation` of the first epoch's examples, as plain values."""

    @classmethod
    def from_checkpoint(cls, progress: Mapping[str, Any]) -> TrainerState:
        """The state that a checkpoint holds; one written before something was counted leaves that unknown."""
        return cls(**{"tokens": None, "processed_tokens": None, **progress})

    def count(self, examples: int, tokens: int, processed: int) -> None:
        """Adds an optimiser step on `examples` examples: `tokens` word pieces, `processed` in all forward passes."""
        self.step += 1
        self.examples += examples
        if self.tokens is not None:
            self.tokens += tokens
        if self.processed_tokens is not None:
            self.processed_tokens += processed


def best_name(step: int) -> str:
    """Name of the file with the best weights, if those after `step` are the best."""
    return f"best-{step:08d}.safetensors"
