"""The weights that did best on the source dev set, on disk or in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import broadcast

from xrobust.errors import RunError
from xrobust.models.trained import load_trainable_state, trainable_state
from xrobust.training.job import TrainingJob
from xrobust.training.state import TrainerState, best_name

logger = logging.getLogger("xrobust")


class BestWeights:
    """Keeps the weights with the best dev score: on disk, or in memory as long as the disk does not take them."""

    def __init__(self, job: TrainingJob, accelerator: Any, warn: Callable[[str], None]) -> None:
        self._job = job
        self._accelerator = accelerator
        self._warn = warn
        self._in_memory: dict[str, torch.Tensor] | None = None
        """On the main process: the best weights, until the disk took them."""
        self._disk_failed = False
        """True once the user was told that the disk does not take a checkpoint."""

    def consider(self, state: TrainerState, value: float) -> bool:
        """Keeps the weights of `state.step` if their dev score is strictly better than any before; True if it is."""
        if not value > state.best_value:
            return False
        state.best_value, state.best_step = value, state.step
        state.best = best_name(state.step)
        if self._accelerator.is_main_process:
            self._in_memory = trainable_state(self._job.model)
            with self.tolerating_full_disk():
                self.flush(state)
        return True

    def flush(self, state: TrainerState) -> None:
        """Writes the best weights that are not on disk yet. Raises RunError."""
        if self._in_memory is not None:
            self._job.checkpoints.save_best(state.best_step, self._in_memory)
            self._in_memory = None

    def restore(self, state: TrainerState) -> None:
        """Loads the best weights into the model: from the main process's memory or disk, broadcast to the others."""
        if self._accelerator.is_main_process:
            assert state.best is not None, "the last step always looks at the dev set"
            best = self._in_memory
            load_trainable_state(self._job.model, self._job.checkpoints.load_best(state.best) if best is None else best)
        for parameter in self._job.model.parameters():
            if parameter.requires_grad:
                broadcast(parameter.data)

    @contextmanager
    def tolerating_full_disk(self) -> Iterator[None]:
        """Lets training go on where the disk does not take a checkpoint; the next that is due is tried again."""
        try:
            yield
        except RunError as error:
            if not self._disk_failed:
                self._disk_failed = True
                self._warn(f"{error}: training goes on without this checkpoint, and tries again at the next")
            else:
                logger.info("%s", error)
