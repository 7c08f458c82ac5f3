"""State that the processes of a training share: the loss, signals, and when a checkpoint is due."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Any

import torch

from xrobust.runtime import signals

LOG_EVERY = 20
"""Optimiser steps between logged losses; also how often, at least, a GPU is made to wait for the loss to be read."""
NOTICE_SECONDS = 2.0
"""Seconds in which, about, several processes learn of a signal to one of them, and that a checkpoint is due."""


@dataclass(frozen=True)
class SyncedState:
    """State shared by all processes after an optimiser step: a signal, and a checkpoint that is due."""

    signal: int | None = None
    """Number of the signal (SIGINT or SIGTERM) that one of them received."""
    due: bool = False
    """True if it is time for a checkpoint."""


def sync_interval(seconds_per_step: float, device: torch.device, log_every: int = LOG_EVERY) -> int:
    """Optimiser steps until the loss is read again, and with it the state that processes share.

    A CPU has computed it anyway. A GPU has to be waited for: as seldom as a stop within NOTICE_SECONDS allows.
    """
    if device.type == "cpu":
        return 1
    return min(max(int(NOTICE_SECONDS / max(seconds_per_step, 1e-9)), 1), log_every)


class StepSync:
    """Sums the loss between readings and exchanges it, with signals and the checkpoint clock, over all processes.

    All processes learn at the same step that the loss is not finite, that one of them received a signal, that a
    checkpoint is due by the main process's clock, and when to read again: not each step on a GPU, for it has to be
    waited for.
    """

    def __init__(self, accelerator: Any, checkpoint_minutes: float | None, *, log_every: int = LOG_EVERY) -> None:
        """
        Args:
            checkpoint_minutes: minutes after which a checkpoint is due; None for never.
            log_every: optimiser steps between logged losses, and between readings of the loss at most.
        """
        self._accelerator = accelerator
        self._minutes = checkpoint_minutes
        self.log_every = log_every
        self._running: torch.Tensor | None = None
        """Loss of this process since the last reading, still on the device; None right after one."""
        self._synced = SyncedState()
        self._next_reading = 0
        self.begin(0)

    def begin(self, step: int) -> None:
        """Starts the clocks of a training that begins, or is resumed, after `step` steps."""
        self._read_step = self.saved_step = step
        self._read_at = self._saved_at = time.monotonic()

    def checkpoint_saved(self, step: int) -> None:
        """Starts the clock of the next checkpoint, after that of step `step`."""
        self.saved_step, self._saved_at = step, time.monotonic()

    @property
    def pending(self) -> bool:
        """True if there is loss that was not read yet."""
        return self._running is not None

    @property
    def due(self) -> bool:
        """True if it is time for a checkpoint, on all processes alike."""
        return self._synced.due

    @property
    def signal(self) -> int | None:
        """Number of the signal that asks all processes to stop, or None. A single process asks itself, at any time."""
        return signals.asked() if self._accelerator.num_processes == 1 else self._synced.signal

    def add(self, loss: torch.Tensor) -> None:
        """Adds this process's share of a step's loss, without waiting for the device."""
        # In double precision, so that it does not matter to the sum how often it is read.
        loss = loss if loss.device.type == "mps" else loss.double()
        self._running = loss if self._running is None else self._running + loss

    def reads(self, step: int) -> bool:
        """True if the loss is to be logged, or read, after step `step`."""
        return step % self.log_every == 0 or step >= self._next_reading

    def local_state(self) -> SyncedState:
        """The state of this process: a signal that it received, and a checkpoint that is due by its clock."""
        due = self._minutes is not None and time.monotonic() - self._saved_at >= 60 * self._minutes
        return SyncedState(signals.asked(), due)

    def skip(self) -> None:
        """Goes on without a reading: a single process knows its state without one, several keep the last."""
        if self._accelerator.num_processes == 1:
            self._synced = self.local_state()

    def exchange(self, step: int) -> float:
        """Sums the loss of all processes since the last reading, and shares their state in the same reduction.

        `step` optimiser steps are done. Returns the loss; it may be infinite or NaN.
        """
        assert self._running is not None
        local, main = self.local_state(), self._accelerator.is_main_process
        seconds, self._read_at = time.monotonic() - self._read_at, time.monotonic()
        mine = [
            float(local.signal == signal.SIGTERM),
            float(local.signal == signal.SIGINT),
            float(main and local.due),
            seconds / max(1, step - self._read_step) if main else 0.0,
        ]
        exchanged = torch.cat([self._running.detach().reshape(1), self._running.new_tensor(mine)])
        loss, terminated, interrupted, due, seconds_per_step = self._accelerator.reduce(exchanged, "sum").tolist()
        asked = signal.SIGTERM if terminated else signal.SIGINT if interrupted else None
        self._synced = SyncedState(asked, bool(due))
        self._next_reading = step + sync_interval(seconds_per_step, self._accelerator.device, self.log_every)
        self._read_step = step
        self._running = None
        return float(loss)
