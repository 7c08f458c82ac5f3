"""The training loop: AdamW, linear decay, clipping, accumulation, selection on the source dev set, checkpoints.

Everything in it is a function of (seed, step): which examples, which dropout, which noise. A run that is killed and
started again therefore ends with the same weights, bit for bit, at an equal number of threads.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast, broadcast_object_list

from xrobust.contracts.encoded import Encoded
from xrobust.contracts.method import Batch
from xrobust.engine.batches import micro_batch
from xrobust.engine.forward import ModelForward
from xrobust.engine.memory import fitting_size, free_memory, is_out_of_memory, too_little_memory
from xrobust.engine.order import epoch_batches, steps_per_epoch
from xrobust.engine.seeds import derive_seed
from xrobust.errors import RunError
from xrobust.models.trained import load_trainable_state, trainable_state
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers
from xrobust.training.checkpoints import best_name
from xrobust.training.job import TrainingJob, steps_between_selections, total_steps
from xrobust.training.schedule import learning_rate, parameter_groups
from xrobust.training.state import TrainerState

logger = logging.getLogger("xrobust")

LOG_EVERY = 20
"""Optimiser steps between logged losses; also how often, at least, a GPU is made to wait for the loss to be read."""

NOTICE_SECONDS = 2.0
"""Within about so long several processes learn of a signal to one of them, and that a checkpoint is due."""


@dataclass(frozen=True)
class SyncedState:
    """What all processes know at the same step."""

    signal: int | None = None
    """Of Ctrl-C or SIGTERM to one of them."""
    due: bool = False
    """Whether it is time for a checkpoint."""


def sync_interval(seconds_per_step: float, device: torch.device) -> int:
    """Optimiser steps until the loss is read again, and with it what processes tell each other.

    A CPU has computed it anyway. A GPU has to be waited for: as seldom as a stop within NOTICE_SECONDS allows.
    """
    if device.type == "cpu":
        return 1
    return min(max(int(NOTICE_SECONDS / max(seconds_per_step, 1e-9)), 1), LOG_EVERY)


def probes_memory(accelerator: Any) -> bool:
    """Whether training begins with a pass over the longest batch, to learn what fits into memory.

    A process that runs out of memory in the pass in which gradients are exchanged leaves the others waiting. One
    process alone does the step again, and on a CPU the system ends a process long before anything can be caught.
    """
    return bool(accelerator.num_processes > 1 and accelerator.device.type != "cpu")


class Trainer:
    """Trains a `Job`; afterwards the model holds the weights that did best on the source dev set.

    It is to be used within `signals.held`: Ctrl-C and SIGTERM end it between two steps. `warn` is told, on the main
    process, of what a user should know of that does not end it.
    """

    def __init__(self, job: TrainingJob, accelerator: Any, observers: Observers, warn: Callable[[str], None]) -> None:
        self.job = job
        self.accelerator = accelerator
        self.observers = observers
        self.warn = warn
        self.progress = TrainerState()
        self.total = total_steps(job.examples, job.settings)
        optimiser = torch.optim.AdamW(
            parameter_groups(job.model, job.settings.weight_decay),
            lr=job.settings.learning_rate,
            eps=job.settings.adam_epsilon,
            fused=True,
        )
        self.model, self.optimiser = accelerator.prepare(job.model, optimiser)
        self.forward = ModelForward(self.model, job.model, autocast=accelerator.autocast)
        self._epoch = -1
        self._running: torch.Tensor | None = None
        """This process's share of the loss since it was last read, still on the device."""
        self._heard = SyncedState()
        self._next_reading = self._read_step = 0
        self._read_at = self._saved_at = time.monotonic()
        self._saved = 0
        """The step of the last checkpoint."""
        self._best_in_memory: dict[str, torch.Tensor] | None = None
        """On the main process: the best weights, where the disk did not take them."""

    def run(self) -> TrainerState:
        """Trains to the end, from the last checkpoint that is whole where there is one.

        Raises RunError when the loss stops being a number; KeyboardInterrupt after Ctrl-C, `signals.Terminated` after
        SIGTERM, with a checkpoint written, on all processes after the same step.
        """
        self._resume()
        self._saved = self._read_step = self.progress.step
        self._saved_at = self._read_at = time.monotonic()
        self.model.train()
        try:
            while self.progress.step < self.total:
                self._advance()
                self._stop_where_asked()
        finally:
            self.forward.close()
        self._agree_on_micro_batches()
        self._load_best()
        return self.progress

    def _stop_where_asked(self) -> None:
        """Writes a checkpoint and raises what a signal raises. After the last step the model is to be written."""
        alone = self.accelerator.num_processes == 1
        asked = signals.asked() if alone else self._heard.signal
        if asked is None or self.progress.step == self.total:
            return
        self._save()
        self.accelerator.wait_for_everyone()  # one that ends earlier would have the others ended
        logger.info("stops after step %d of %d", self.progress.step, self.total)
        signals.stop(asked)

    def _resume(self) -> None:
        """Goes on from the newest checkpoint that the main process found whole."""
        found = [self.job.checkpoints.newest(self.warn) if self.accelerator.is_main_process else None]
        broadcast_object_list(found)
        if found[0] is None:
            return
        weights, state, progress = self.job.checkpoints.load(found[0])
        load_trainable_state(self.job.model, weights)
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.progress = TrainerState(**progress)
        logger.info("goes on from the checkpoint of step %d of %d", self.progress.step, self.total)

    def _load_best(self) -> None:
        """Puts the best weights into the model: from where the main process has them, the same on all processes."""
        if self.accelerator.is_main_process:
            assert self.progress.best is not None, "the last step always looks at the dev set"
            best = self._best_in_memory
            load_trainable_state(
                self.job.model, self.job.checkpoints.load_best(self.progress.best) if best is None else best
            )
        for parameter in self.job.model.parameters():
            if parameter.requires_grad:
                broadcast(parameter.data)

    def _advance(self) -> None:
        """One optimiser step and what is due after it."""
        started = time.perf_counter()
        progress, settings = self.progress, self.job.settings
        rate = learning_rate(progress.step, self.total, settings)
        loss, examples = self._step(progress.step, rate)
        progress.step += 1
        progress.examples += examples

        last = progress.step == self.total
        select = last or progress.step % steps_between_selections(self.job) == 0
        save = not last and (
            progress.step % self.job.options.checkpoint_steps == 0 if self.job.options.checkpoint_steps else select
        )

        progress.logged_steps += 1
        # In double precision, so that it does not matter to the sum how often it is read.
        loss = loss if loss.device.type == "mps" else loss.double()
        self._running = loss if self._running is None else self._running + loss
        if last or select or save or progress.step % LOG_EVERY == 0 or progress.step >= self._next_reading:
            self._read()
        elif self.accelerator.num_processes == 1:
            self._heard = self._noticed()
        progress.seconds += time.perf_counter() - started
        if last or progress.step % LOG_EVERY == 0:
            self._log(rate)
        if select:
            self._select()
        if save or (self._heard.due and not last):
            self._save()

    def _noticed(self) -> SyncedState:
        """What this process knows: a signal that it received, and whether a checkpoint is due by its clock."""
        minutes = self.job.options.checkpoint_minutes
        due = minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes
        return SyncedState(signals.asked(), due)

    def _read(self) -> None:
        """Adds the loss of all processes to `progress`, and tells all of them the same: one exchange for all of it.

        Every process learns at the same step that the loss is no number, that one of them received a signal, whether by
        the main one's clock a checkpoint is due, and when to read again: on a GPU, which waits for it, not each step.
        """
        assert self._running is not None
        progress, noticed, main = self.progress, self._noticed(), self.accelerator.is_main_process
        seconds, self._read_at = time.monotonic() - self._read_at, time.monotonic()
        mine = [
            float(noticed.signal == signal.SIGTERM),
            float(noticed.signal == signal.SIGINT),
            float(main and noticed.due),
            seconds / max(1, progress.step - self._read_step) if main else 0.0,
        ]
        exchanged = torch.cat([self._running.detach().reshape(1), self._running.new_tensor(mine)])
        value, terminated, interrupted, due, seconds_per_step = self.accelerator.reduce(exchanged, "sum").tolist()
        asked = signal.SIGTERM if terminated else signal.SIGINT if interrupted else None
        self._heard = SyncedState(asked, bool(due))
        self._next_reading = progress.step + sync_interval(seconds_per_step, self.accelerator.device)
        self._read_step = progress.step
        self._running = None
        progress.logged += value
        if not math.isfinite(value):
            raise RunError(
                f"the loss is {value} at step {self.progress.step} of {self.total}: a smaller "
                f"training.learning_rate (now {self.job.settings.learning_rate:g}) or --precision fp32 may help"
            )

    def _log(self, rate: float) -> None:
        progress = self.progress
        point = {"step": progress.step, "loss": progress.logged / progress.logged_steps, "learning_rate": rate}
        progress.curve.append(point)
        logger.debug("step %d/%d loss %.4f learning rate %.3g", progress.step, self.total, point["loss"], rate)
        progress.logged, progress.logged_steps = 0.0, 0
        self.observers.call(
            "step_finished",
            step=progress.step,
            total_steps=self.total,
            loss=point["loss"],
            learning_rate=rate,
            examples_per_second=progress.examples / max(progress.seconds, 1e-9),
        )

    def _step(self, step: int, rate: float) -> tuple[torch.Tensor, int]:
        """One optimiser step. Returns this process's share of the mean loss, and the number of examples over all."""
        per_epoch = steps_per_epoch(self.job.examples, self.job.settings.batch_size)
        epoch, position = divmod(step, per_epoch)
        if epoch != self._epoch:
            self._start_epoch(epoch)
        batch = self._batches[position]
        items = self._items(batch)
        # All processes know the whole batch, so its number of labels needs no message between them.
        labels = max(1, int(self._encoded.labelled[items].sum()))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._fitting_gradients(self._share(items), step, labels)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.job.settings.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss, len(batch)

    def _items(self, examples: np.ndarray) -> np.ndarray:
        """The items of examples, in their order."""
        return np.concatenate([np.arange(self._first[e], self._first[e + 1]) for e in examples])

    def _share(self, items: np.ndarray) -> np.ndarray:
        """This process's items of a batch. They lie in it by length, so that dealing them out one by one gives every
        process as much to do, and its micro-batches items of similar length."""
        return items[self.accelerator.process_index :: self.accelerator.num_processes]

    def _size(self, share: int) -> int:
        """Items of a micro-batch, of a share of so many."""
        sizes = (self.job.options.micro_batch_size, self.progress.micro_batch_size, share)
        return min(size for size in sizes if size is not None)

    def _fitting_gradients(self, mine: np.ndarray, step: int, labels: int) -> torch.Tensor:
        """`_gradients`, begun again with micro-batches of half the size where memory runs out. Raises RunError."""
        # A process without a share still takes part in the exchange of gradients, with a weight of nothing.
        weight = 1 / labels if len(mine) else 0.0
        if not len(mine):
            mine = np.array([0])
        while True:
            size = self._size(len(mine))
            try:
                return self._gradients(mine, size, step, weight)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self._exchanging:
                    raise RunError(
                        f"out of memory in process {self.accelerator.process_index} with {size} model inputs at a "
                        f"time: --set micro_batch_size={max(1, size // 2)} needs less, and the same command goes on"
                    ) from error
            self.optimiser.zero_grad()
            free_memory()
            if size == 1:
                raise too_little_memory()
            self._reduce(size, size // 2)

    def _reduce(self, size: int, fitting: int) -> None:
        self.progress.micro_batch_size = fitting
        logger.warning(
            "out of memory with %d model inputs at a time: going on with %d; the batch of an optimiser step stays %d",
            size,
            fitting,
            self.job.settings.batch_size,
        )

    def _agree_on_micro_batches(self) -> None:
        """Notes the smallest size that any process was left with. Waits for all of them."""
        size = self.progress.micro_batch_size
        sizes = self.accelerator.gather(torch.tensor([size or 0], device=self.accelerator.device)).tolist()
        self.progress.micro_batch_size = min((s for s in sizes if s), default=None)

    _exchanging = False
    """In a pass in which processes exchange gradients: what fails here cannot be done again by one of them."""

    def _gradients(self, mine: np.ndarray, size: int, step: int, weight: float) -> torch.Tensor:
        """Accumulates the gradients of this process's items, and exchanges them with the other processes.

        Returns the loss, summed over the items and times `weight`.
        """
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        micro_batches = [mine[i : i + size] for i in range(0, len(mine), size)]
        total = torch.zeros((), device=self.accelerator.device)
        for micro, chosen in enumerate(micro_batches):
            final = micro == len(micro_batches) - 1
            self._exchanging = final and world > 1  # from its forward pass on: DDP then expects the backward pass
            torch.manual_seed(derive_seed(self.job.seed, "dropout", step, micro, rank))
            with nullcontext() if final else self.accelerator.no_sync(self.model):
                loss = self.job.objective(self.forward, self._batch(chosen, step, micro)) * weight
                # Gradients are averaged over processes; the loss is a sum over them.
                self.accelerator.backward(loss * world)
            total += loss.detach()
        return total

    def _start_epoch(self, epoch: int) -> None:
        """Encodes the epoch's examples where they change, and lays out its batches."""
        self._epoch = epoch
        self._encoded = self._encode(epoch)
        # Items of one example lie together: windows of a sentence are trained on in the same step.
        self._first = np.searchsorted(self._encoded.example, np.arange(self.job.examples + 1))
        lengths = np.zeros(self.job.examples, dtype=np.int64)
        np.maximum.at(lengths, self._encoded.example, self._encoded.lengths)
        self._batches = epoch_batches(lengths, self.job.settings.batch_size, self.job.seed, epoch)
        longest = np.argsort(lengths, kind="stable")[-self.job.settings.batch_size :]
        if probes_memory(self.accelerator) and lengths[longest].sum() > self._probed:
            self._probed = int(lengths[longest].sum())
            self._probe_memory(longest)

    _probed = 0
    """Word pieces of the batch that memory was tried with."""

    def _probe_memory(self, longest: np.ndarray) -> None:
        """Reduces micro-batches, on all processes alike, to what fits into memory of a batch of the longest examples.

        Beside the optimiser's state, which is made room for where there is none yet. Changes no weight.
        """
        mine = self._share(self._items(longest))
        asked = self._size(max(1, len(mine)))
        trained = [p for p in self.job.model.parameters() if p.requires_grad]
        moments = [] if self.optimiser.state else [torch.empty_like(p) for p in trained for _ in range(2)]

        def attempt(size: int) -> None:
            try:
                with self.accelerator.no_sync(self.model):
                    loss = self.job.objective(self.forward, self._batch(mine[-size:], step=0, micro=0))
                    self.accelerator.backward(loss)
            finally:
                self.optimiser.zero_grad()

        found = fitting_size(attempt, asked, self.accelerator)
        del moments
        if found < asked:
            self._reduce(asked, found)

    def _encode(self, epoch: int) -> Encoded:
        """The training set of an epoch. A signal ends this long work at once: it comes between two steps."""
        if self.accelerator.num_processes > 1 and self._saved < self.progress.step:
            return self.job.encoded(epoch)  # a checkpoint has to be written, which they agree on after a step
        try:
            with signals.released():
                return self.job.encoded(epoch)
        except KeyboardInterrupt:
            self._save()
            raise

    def _batch(self, items: np.ndarray, step: int, micro: int) -> Batch:
        return micro_batch(
            self._encoded,
            items.tolist(),
            self.job.pad_id,
            self.accelerator.device,
            seed=derive_seed(self.job.seed, "noise", step, micro, self.accelerator.process_index),
            embedding_dim=self.forward.embedding_dim,
        )

    def _select(self) -> None:
        """Scores the source dev set; keeps the weights where they are strictly better than any before.

        Weights that the disk does not take are kept in memory.
        """
        value = self.job.score_dev(self.model)
        progress = self.progress
        progress.dev.append({"step": progress.step, "value": value})
        better = value > progress.best_value
        if better:
            progress.best_value, progress.best_step = value, progress.step
            progress.best = best_name(progress.step)
            if self.accelerator.is_main_process:
                self._best_in_memory = trainable_state(self.job.model)
                with self._going_on():
                    self._write_best()
        logger.debug("step %d dev %s %.4f%s", progress.step, self.job.metric, value, ", best so far" if better else "")
        self.observers.call("dev_scored", step=progress.step, metric=self.job.metric, value=value, best=better)

    def _write_best(self) -> None:
        """Writes the best weights that are not on disk yet. Raises RunError."""
        if self._best_in_memory is not None:
            self.job.checkpoints.save_best(self.progress.best_step, self._best_in_memory)
            self._best_in_memory = None

    def _save(self) -> None:
        """Writes a checkpoint, unless the last one is of this very step. All processes call it."""
        if self._running is not None:
            self._read()  # so that the loss up to here is in the checkpoint
        progress = self.progress
        if self._saved == progress.step:
            return
        self._saved, self._saved_at = progress.step, time.monotonic()
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        with self._going_on():
            self._write_best()  # a checkpoint without its best weights would be none
            path = self.job.checkpoints.save(progress.step, trainable_state(self.job.model), state, asdict(progress))
            self.observers.call("checkpoint_saved", step=progress.step, path=str(path))

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Training goes on where the disk does not take a checkpoint, and tries again when the next is due."""
        try:
            yield
        except RunError as error:
            if not self._disk_failed:
                self._disk_failed = True
                self.warn(f"{error}: training goes on without this checkpoint, and tries again at the next")
            else:
                logger.info("%s", error)

    _disk_failed = False
    """Whether the user was told so."""
