"""Gradients of an optimiser step, accumulated over micro-batches that fit into memory."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from xrobust.contracts import Batch
from xrobust.contracts.encoded import Encoded
from xrobust.engine.batches import micro_batch
from xrobust.engine.forward import ModelForward
from xrobust.engine.memory import fitting_size, free_memory, is_out_of_memory, too_little_memory
from xrobust.engine.seeds import derive_seed
from xrobust.errors import RunError
from xrobust.training.epoch import Epoch
from xrobust.training.job import TrainingJob

logger = logging.getLogger("xrobust")


def probes_memory(accelerator: Any) -> bool:
    """True if training is to begin with a pass over the longest batch, to learn what fits into memory.

    A process that runs out of memory in the pass in which gradients are exchanged leaves the others waiting. One
    process alone does the step again, and on a CPU the system ends a process long before anything can be caught.
    """
    return bool(accelerator.num_processes > 1 and accelerator.device.type != "cpu")


class MicroBatcher:
    """Computes the gradients of this process's share of a batch, in micro-batches that fit into memory."""

    def __init__(
        self, job: TrainingJob, model: Any, optimiser: Any, accelerator: Any, *, probes: bool | None = None
    ) -> None:
        """
        Args:
            model: the job's model as Accelerate prepared it.
            optimiser: the optimiser, prepared too.
            probes: True for a try with the longest batch at the start of an epoch; `probes_memory` decides by default.
        """
        self._job = job
        self._model = model
        self._optimiser = optimiser
        self._accelerator = accelerator
        self._forward = ModelForward(model, job.model, autocast=accelerator.autocast)
        self._probes = probes_memory(accelerator) if probes is None else probes
        self._probed = 0
        """Word pieces of the batch that memory was tried with."""
        self._exchanging = False
        """True in a pass in which processes exchange gradients: one of them alone cannot do it again."""
        self.reduced_to: int | None = None
        """Items of a micro-batch after memory ran out; None as long as it did not."""
        self.passes = 0.0
        """Forward passes of the last batch that a word piece of this process's share took part in, on average. Other
        processes' shares are not counted: they are as large, and the objective is the same."""

    def accumulate(self, encoded: Encoded, items: np.ndarray, step: int) -> torch.Tensor:
        """Adds the gradients of a batch to the parameters, averaged over labels; all processes call it.

        `items` (items,) are those of the whole batch, in `encoded`, and `step` is the optimiser step that randomness
        is keyed by. Where memory runs out it begins again with micro-batches of half the size. Returns this process's
        share of the mean loss, on the device. Raises RunError where a single item does not fit, or where other
        processes are waiting for this one.
        """
        self._job.place.step = step
        # All processes know the whole batch, so its number of labels needs no message between them.
        labels = max(1, int(encoded.labelled[items].sum()))
        mine = self._share(items)
        # A process without a share still takes part in the exchange of gradients, with a weight of nothing.
        weight = 1 / labels if len(mine) else 0.0
        if not len(mine):
            mine = np.array([0])
        while True:
            size = self._size(len(mine))
            try:
                return self._gradients(encoded, [mine[i : i + size] for i in range(0, len(mine), size)], step, weight)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self._exchanging:
                    raise RunError(
                        f"out of memory in process {self._accelerator.process_index} with {size} model inputs at a "
                        f"time: --set micro_batch_size={max(1, size // 2)} needs less, and the same command goes on"
                    ) from error
            self._optimiser.zero_grad()
            free_memory()
            if size == 1:
                raise too_little_memory()
            self._reduce(size, size // 2)

    def _share(self, items: np.ndarray) -> np.ndarray:
        """This process's items of a batch. They lie in it by length, so that dealing them out one by one gives every
        process as much to do, and its micro-batches items of similar length."""
        return items[self._accelerator.process_index :: self._accelerator.num_processes]

    def _size(self, share: int) -> int:
        """Items of a micro-batch, for a share of `share` items."""
        sizes = (self._job.options.micro_batch_size, self.reduced_to, share)
        return min(size for size in sizes if size is not None)

    def _reduce(self, size: int, fitting: int) -> None:
        self.reduced_to = fitting
        logger.warning(
            "out of memory with %d model inputs at a time: going on with %d; the batch of an optimiser step stays %d",
            size,
            fitting,
            self._job.settings.batch_size,
        )

    def _gradients(self, encoded: Encoded, micro_batches: list[np.ndarray], step: int, weight: float) -> torch.Tensor:
        """Accumulates the gradients of this process's items, and exchanges them with the other processes.

        Returns the loss, summed over the items and times `weight`.
        """
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        total = torch.zeros((), device=self._accelerator.device)
        pieces = processed = 0
        for micro, items in enumerate(micro_batches):
            final = micro == len(micro_batches) - 1
            self._exchanging = final and world > 1  # from its forward pass on: DDP then expects the backward pass
            torch.manual_seed(derive_seed(self._job.seed, "dropout", step, micro, rank))
            with nullcontext() if final else self._accelerator.no_sync(self._model):
                before = self._forward.passes
                loss = self._job.objective(self._forward, self._batch(encoded, items, step, micro)) * weight
                pieces += encoded.pieces(items)
                processed += (self._forward.passes - before) * encoded.pieces(items)
                # Gradients are averaged over processes; the loss is a sum over them.
                with self._job.place.backward():
                    self._accelerator.backward(loss * world)
            total += loss.detach()
        self._job.place.require_gradient(self._job.model)
        self.passes = processed / max(1, pieces)
        return total

    def _batch(self, encoded: Encoded, items: np.ndarray, step: int, micro: int) -> Batch:
        return micro_batch(
            encoded,
            items.tolist(),
            self._job.pad_id,
            self._accelerator.device,
            seed=derive_seed(self._job.seed, "noise", step, micro, self._accelerator.process_index),
            embedding_dim=self._forward.embedding_dim,
        )

    def probe(self, epoch: Epoch) -> None:
        """Reduces micro-batches, on all processes alike, to the size at which the epoch's longest batch fits.

        It has to fit beside the optimiser's state, which is made room for where there is none yet. Changes no weight;
        does nothing where memory is not probed, or was with a batch as long.
        """
        if not self._probes:
            return
        items, pieces = epoch.longest(self._job.settings.batch_size)
        if pieces <= self._probed:
            return
        self._probed = pieces
        mine = self._share(items)
        asked = self._size(max(1, len(mine)))
        trained = [p for p in self._job.model.parameters() if p.requires_grad]
        moments = [] if self._optimiser.state else [torch.empty_like(p) for p in trained for _ in range(2)]

        def attempt(size: int) -> None:
            try:
                with self._accelerator.no_sync(self._model):
                    batch = self._batch(epoch.encoded, mine[-size:], step=0, micro=0)
                    self._accelerator.backward(self._job.objective(self._forward, batch))
            finally:
                self._optimiser.zero_grad()

        found = fitting_size(attempt, asked, self._accelerator)
        del moments
        if found < asked:
            self._reduce(asked, found)

    def agree(self) -> None:
        """Sets `reduced_to` to the smallest size that any process was left with. Waits for all of them."""
        sizes = torch.tensor([self.reduced_to or 0], device=self._accelerator.device)
        self.reduced_to = min((size for size in self._accelerator.gather(sizes).tolist() if size), default=None)

    def close(self) -> None:
        """Takes the hook for noise off the model."""
        self._forward.close()
