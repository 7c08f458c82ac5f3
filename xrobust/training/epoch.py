"""One epoch of training: encoded examples, cut into batches."""

from __future__ import annotations

import numpy as np

from xrobust.contracts.encoded import Encoded
from xrobust.engine.order import epoch_batches
from xrobust.training.job import TrainingJob


class Epoch:
    """The encoded examples of one epoch and the order of its batches, a pure function of (seed, epoch)."""

    def __init__(self, number: int, encoded: Encoded, job: TrainingJob) -> None:
        self.number = number
        self.encoded = encoded
        # Items of one example lie together: windows of a sentence are trained on in the same step.
        self._first = np.searchsorted(encoded.example, np.arange(job.examples + 1))
        self._lengths = np.zeros(job.examples, dtype=np.int64)
        np.maximum.at(self._lengths, encoded.example, encoded.lengths)
        self.batches = epoch_batches(self._lengths, job.settings.batch_size, job.seed, number)
        """Example indices of each batch: int64 (examples,)."""

    def items(self, examples: np.ndarray) -> np.ndarray:
        """Items of examples, in the order of `examples`: int64 (items,)."""
        return np.concatenate([np.arange(self._first[e], self._first[e + 1]) for e in examples])

    def longest(self, batch_size: int) -> tuple[np.ndarray, int]:
        """Items (items,) of the `batch_size` longest examples, and the sum of their lengths in word pieces."""
        examples = np.argsort(self._lengths, kind="stable")[-batch_size:]
        return self.items(examples), int(self._lengths[examples].sum())
