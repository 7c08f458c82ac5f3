"""The training loop: AdamW, linear decay, clipping, accumulation, selection on the source dev set, checkpoints.

Everything in it is a function of (seed, step): which examples, which dropout, which noise. A run that is killed and
started again therefore ends with the same weights, bit for bit, at an equal number of threads.
"""

from __future__ import annotations

import logging
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from xrobust.contracts.method import Batch, Objective
from xrobust.encoded import Encoded
from xrobust.engine.batches import micro_batch
from xrobust.engine.checkpoint import Checkpoints
from xrobust.engine.forward import ModelForward
from xrobust.engine.memory import fitting_size, free_memory, is_out_of_memory, too_little_memory
from xrobust.engine.order import epoch_batches, steps_per_epoch
from xrobust.engine.seeds import derive
from xrobust.engine.trained import load_trainable_state, trainable_state
from xrobust.errors import RunError
from xrobust.observers import Observers
from xrobust.spec import TrainingSettings

logger = logging.getLogger("xrobust")

LOG_EVERY = 20
"""Optimiser steps between logged losses; also how often a GPU is made to wait for the loss to be read."""


@dataclass
class Progress:
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


@dataclass
class Job:
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
    checkpoints: Checkpoints
    metric: str


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """The rate of optimiser step `step` (from 0): linear rise over the warm-up, then linear decay to 0 at `total`."""
    warmup = int(settings.warmup_ratio * total)
    if step < warmup:
        return settings.learning_rate * step / warmup
    return settings.learning_rate * (total - step) / max(1, total - warmup)


def total_steps(examples: int, settings: TrainingSettings) -> int:
    """Optimiser steps of a run."""
    return settings.max_steps or settings.epochs * steps_per_epoch(examples, settings.batch_size)


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trained parameters for the optimiser. Biases and the weights of norms, which are vectors, do not decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def select_interval(job: Job) -> int:
    """Optimiser steps between looks at the source dev set."""
    return job.settings.select_every or steps_per_epoch(job.examples, job.settings.batch_size)


def saves(job: Job) -> int:
    """Checkpoints that a run writes; the last step has none, for the trained model is written then."""
    return (total_steps(job.examples, job.settings) - 1) // (job.checkpoint_steps or select_interval(job))


@contextmanager
def finishing_the_step() -> Iterator[Callable[[], bool]]:
    """Ctrl-C once asks training to stop after the step it is in, so that a checkpoint can be written; twice stops now.

    Several processes see a signal at different steps and would wait for each other: they stop at once.
    """
    asked = False

    def ask(signum: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    try:
        previous = signal.signal(signal.SIGINT, ask) if alone else None
    except ValueError:  # not the main thread of a Python caller: Ctrl-C is the caller's
        alone = False
    try:
        yield lambda: asked
    finally:
        if alone:
            signal.signal(signal.SIGINT, previous)


def probes_memory(accelerator: Any) -> bool:
    """Whether training begins with a pass over the longest batch, to learn what fits into memory.

    A process that runs out of memory in the pass in which gradients are exchanged leaves the others waiting. One
    process alone does the step again, and on a CPU the system ends a process long before anything can be caught.
    """
    return bool(accelerator.num_processes > 1 and accelerator.device.type != "cpu")


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's peak on a GPU, else the process's peak resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Trainer:
    """Trains a `Job`; afterwards the model holds the weights that did best on the source dev set."""

    def __init__(self, job: Job, accelerator: Any, observers: Observers) -> None:
        self.job = job
        self.accelerator = accelerator
        self.observers = observers
        self.progress = Progress()
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

    def run(self) -> Progress:
        """Trains to the end, from the last checkpoint where there is one.

        Raises RunError when the loss stops being a number, KeyboardInterrupt after Ctrl-C (with a checkpoint written).
        """
        self._resume()
        self.model.train()
        try:
            with finishing_the_step() as interrupted:
                while self.progress.step < self.total:
                    self._advance()
                    if interrupted():
                        self._save()
                        raise KeyboardInterrupt
        finally:
            self.forward.close()
        self._agree_on_micro_batches()
        assert self.progress.best is not None, "the last step always looks at the dev set"
        load_trainable_state(self.job.model, self.job.checkpoints.load_best(self.progress.best))
        return self.progress

    def _resume(self) -> None:
        found = self.job.checkpoints.latest()
        if found is None:
            return
        weights, state, progress = found
        load_trainable_state(self.job.model, weights)
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.progress = Progress(**progress)

    def _advance(self) -> None:
        """One optimiser step and what is due after it."""
        started = time.perf_counter()
        progress, settings = self.progress, self.job.settings
        rate = learning_rate(progress.step, self.total, settings)
        loss, examples = self._step(progress.step, rate)
        progress.step += 1
        progress.examples += examples

        last = progress.step == self.total
        select = last or progress.step % select_interval(self.job) == 0
        save = not last and (progress.step % self.job.checkpoint_steps == 0 if self.job.checkpoint_steps else select)

        progress.logged_steps += 1
        self._running = loss if self._running is None else self._running + loss
        if last or select or save or progress.step % LOG_EVERY == 0 or self.accelerator.device.type == "cpu":
            self._read_loss()
        progress.seconds += time.perf_counter() - started
        if last or progress.step % LOG_EVERY == 0:
            self._log(rate)
        if select:
            self._select()
        if save:
            self._save()

    _running: torch.Tensor | None = None
    """This process's share of the loss since it was last read, still on the device."""

    def _read_loss(self) -> None:
        """Adds the loss of all processes to `progress`; every process learns at the same step that it is no number."""
        assert self._running is not None
        value = float(self.accelerator.reduce(self._running.detach(), reduction="sum"))
        self._running = None
        self.progress.logged += value
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
        sizes = (self.job.micro_batch_size, self.progress.micro_batch_size, share)
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
            torch.manual_seed(derive(self.job.seed, "dropout", step, micro, rank))
            with nullcontext() if final else self.accelerator.no_sync(self.model):
                loss = self.job.objective(self.forward, self._batch(chosen, step, micro)) * weight
                # Gradients are averaged over processes; the loss is a sum over them.
                self.accelerator.backward(loss * world)
            total += loss.detach()
        return total

    def _start_epoch(self, epoch: int) -> None:
        """Encodes the epoch's examples where they change, and lays out its batches."""
        self._epoch = epoch
        self._encoded = self.job.encoded(epoch)
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

    def _batch(self, items: np.ndarray, step: int, micro: int) -> Batch:
        return micro_batch(
            self._encoded,
            items.tolist(),
            self.job.pad_id,
            self.accelerator.device,
            seed=derive(self.job.seed, "noise", step, micro, self.accelerator.process_index),
            embedding_dim=self.forward.embedding_dim,
        )

    def _select(self) -> None:
        """Scores the source dev set; keeps the weights where they are strictly better than any before."""
        value = self.job.score_dev(self.model)
        progress = self.progress
        progress.dev.append({"step": progress.step, "value": value})
        better = value > progress.best_value
        if better:
            progress.best_value, progress.best_step = value, progress.step
            progress.best = f"best-{progress.step:08d}.safetensors"
            if self.accelerator.is_main_process:
                self.job.checkpoints.save_best(progress.step, trainable_state(self.job.model))
        logger.debug("step %d dev %s %.4f%s", progress.step, self.job.metric, value, ", best so far" if better else "")
        self.observers.call("dev_scored", step=progress.step, metric=self.job.metric, value=value, best=better)

    def _save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        progress = self.progress
        path = self.job.checkpoints.save(progress.step, trainable_state(self.job.model), state, asdict(progress))
        self.observers.call("checkpoint_saved", step=progress.step, path=str(path))
