"""The training loop: AdamW, linear decay, clipping, accumulation, selection on the source dev set, checkpoints.

Everything in it is a function of (seed, step): which examples, which dropout, which noise. A run that is killed and
started again therefore ends with the same weights, on a CPU bit for bit at an equal number of threads.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, NamedTuple, NoReturn

import torch
from accelerate.utils import broadcast_object_list
from torch import nn

from xrobust.contracts.encoded import Encoded
from xrobust.encoding.truncation import count_truncation
from xrobust.engine.memory import memory_for
from xrobust.engine.modules import not_finite
from xrobust.engine.order import steps_per_epoch
from xrobust.errors import RunError
from xrobust.models.trained import load_trainable_state, trainable_state
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers
from xrobust.training.best_weights import BestWeights
from xrobust.training.checkpoint_content import ExpectedContent
from xrobust.training.clipping import clip_gradients
from xrobust.training.embedding_rows import EmbeddingRows, rows_that_occur
from xrobust.training.epoch import Epoch
from xrobust.training.job import TrainingJob, epochs_with_others, look_steps, total_steps
from xrobust.training.micro_batches import MicroBatcher
from xrobust.training.schedule import learning_rate, parameter_groups
from xrobust.training.state import TrainerState
from xrobust.training.step_sync import StepSync

logger = logging.getLogger("xrobust")


class StepResult(NamedTuple):
    """Loss and size of one optimiser step."""

    loss: torch.Tensor
    """This process's share of the mean loss: a scalar on the device."""
    examples: int
    """Examples in the batch, over all processes."""
    tokens: int
    """Word pieces of their model inputs: special tokens included, padding not."""
    processed: int
    """Word pieces put through the encoder: `tokens`, as often as the objective makes a forward pass of each."""


class Trainer:
    """Trains a `TrainingJob`; afterwards the model holds the weights that did best on the source dev set.

    To be used within `signals.held`: Ctrl-C and SIGTERM end it between two steps. `warn` is called on the main process,
    with one line on each problem that does not end the training.
    """

    def __init__(self, job: TrainingJob, accelerator: Any, observers: Observers, warn: Callable[[str], None]) -> None:
        self.job = job
        self.accelerator = accelerator
        self.observers = observers
        self.warn = warn
        self.rows = self._rows_to_train()
        """The word embeddings that occur, which alone are in the model while it is trained; None where all are."""
        self.state = TrainerState(embedding_rows=None if self.rows is None else self.rows.sha256)
        self._table: nn.Parameter | None = getattr(job.model.get_input_embeddings(), "weight", None)
        self.total = total_steps(job.examples, job.settings)
        self._looks = look_steps(job.examples, job.settings)
        optimiser = torch.optim.AdamW(
            parameter_groups(job.model, job.settings.weight_decay),
            lr=job.settings.learning_rate,
            eps=job.settings.adam_epsilon,
            fused=True,
        )
        with memory_for("the model"):
            self.model, self.optimiser = accelerator.prepare(job.model, optimiser)
        self._micro_batches = MicroBatcher(job, self.model, self.optimiser, accelerator)
        self._sync = StepSync(accelerator, job.options.checkpoint_minutes)
        self._best = BestWeights(job, accelerator, warn)
        self._epoch: Epoch | None = None

    def run(self) -> TrainerState:
        """Trains to the end, from the newest whole checkpoint where there is one.

        Raises RunError when loss or weights stop being finite; KeyboardInterrupt after Ctrl-C, `signals.Terminated`
        after SIGTERM, with a checkpoint written, on all processes after the same step.
        """
        self.resume()
        self._sync.begin(self.state.step)
        self.model.train()
        try:
            while self.state.step < self.total:
                self._advance()
                self._stop_if_asked()
        finally:
            self._micro_batches.close()
        self._micro_batches.agree()
        self.state.micro_batch_size = self._micro_batches.reduced_to
        self._best.restore(self.state)
        if self.rows is not None:
            self.rows.restore()
        return self.state

    def _rows_to_train(self) -> EmbeddingRows | None:
        """Leaves only those word embeddings in the model that occur in training; None where all are to be trained."""
        job, reason = self.job, self.job.all_rows
        if reason is None:
            earlier = [job.checkpoints.newest_progress()]
            broadcast_object_list(earlier)
            if earlier[0] is not None and earlier[0].get("embedding_rows") is None:
                reason = "the checkpoint that training goes on from has all"
        if reason is not None:
            if reason:
                logger.info("all word embeddings are trained, not only those that occur in training: %s", reason)
            return None
        vocabulary = len(job.model.get_input_embeddings().weight)
        with signals.released():
            rows = rows_that_occur(map(job.encoded, epochs_with_others(job)), job.pad_id, vocabulary)
        logger.info("%d of %d word embeddings occur in training: only they are held for it", len(rows), vocabulary)
        return EmbeddingRows(job.model, rows)

    def resume(self) -> None:
        """Loads the newest checkpoint that the main process found whole; without one, training begins at step 0."""
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            expected = ExpectedContent(
                self.job.model, self.optimiser, self.accelerator.scaler, self.total, self.state.embedding_rows
            )
            found = [self.job.checkpoints.newest(self.warn, expected)]
        broadcast_object_list(found)
        if found[0] is None:
            return
        weights, state, progress = self.job.checkpoints.load(found[0])
        load_trainable_state(self.job.model, weights)
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.state = TrainerState.from_checkpoint(progress)
        self._micro_batches.reduced_to = self.state.micro_batch_size
        logger.info("goes on from the checkpoint of step %d of %d", self.state.step, self.total)

    def step(self, number: int, rate: float) -> StepResult:
        """Does optimiser step `number` (from 0) at learning rate `rate`; leaves `state` as it is."""
        epoch_number, position = divmod(number, steps_per_epoch(self.job.examples, self.job.settings.batch_size))
        epoch = self.epoch(epoch_number)
        examples = epoch.batches[position]
        items = epoch.items(examples)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._micro_batches.accumulate(epoch.encoded, items, number)
        self.accelerator.unscale_gradients()
        clip_gradients(self.job.model.parameters(), self._table, self.job.settings.max_grad_norm)
        with memory_for("the state of the optimiser, twice the size of what is trained"):
            self.optimiser.step()
        self.optimiser.zero_grad()
        tokens = epoch.encoded.pieces(items)
        return StepResult(loss, len(examples), tokens, round(self._micro_batches.passes * tokens))

    def _advance(self) -> None:
        """Does the next optimiser step, then logging, selection and a checkpoint where they are due."""
        started = time.perf_counter()
        state, sync = self.state, self._sync
        rate = learning_rate(state.step, self.total, self.job.settings)
        done = self.step(state.step, rate)
        state.count(done.examples, done.tokens, done.processed)
        state.micro_batch_size = self._micro_batches.reduced_to
        state.logged_steps += 1

        last = state.step == self.total
        select = state.step in self._looks
        every = self.job.options.checkpoint_steps
        save = not last and (state.step % every == 0 if every else select)

        sync.add(done.loss)
        if last or select or save or sync.reads(state.step):
            self._read_loss()
        else:
            sync.skip()
        state.seconds += time.perf_counter() - started
        if last or state.step % sync.log_every == 0:
            self._log(rate)
        if select:
            self.select()
        if save or (sync.due and not last):
            self.save()

    def _read_loss(self) -> None:
        """Adds the loss of all processes to the state. Raises RunError, on all of them, where it is not finite."""
        loss = self._sync.exchange(self.state.step)
        self.state.logged += loss
        if self.rows is not None:
            self.rows.require_known()
        if not math.isfinite(loss):
            self._give_up(f"the loss is {loss}")

    def _give_up(self, reason: str) -> NoReturn:
        """Raises RunError: training has diverged."""
        raise RunError(
            f"{reason} at step {self.state.step} of {self.total}: a smaller training.learning_rate "
            f"(now {self.job.settings.learning_rate:g}) or --precision fp32 may help{self.job.place.suspects()}"
        )

    def _log(self, rate: float) -> None:
        state = self.state
        point = {"step": state.step, "loss": state.logged / state.logged_steps, "learning_rate": rate}
        state.curve.append(point)
        logger.debug("step %d/%d loss %.4f learning rate %.3g", state.step, self.total, point["loss"], rate)
        state.logged, state.logged_steps = 0.0, 0
        self.observers.call(
            "step_finished",
            step=state.step,
            total_steps=self.total,
            loss=point["loss"],
            learning_rate=rate,
            examples_per_second=state.examples / max(state.seconds, 1e-9),
        )

    def _stop_if_asked(self) -> None:
        """Writes a checkpoint and raises KeyboardInterrupt or `Terminated` if a signal came.

        Not after the last step, when the trained model is to be written.
        """
        asked = self._sync.signal
        if asked is None or self.state.step == self.total:
            return
        self.save()
        self.accelerator.wait_for_everyone()  # one that ends earlier would have the others ended
        logger.info("stops after step %d of %d", self.state.step, self.total)
        signals.stop(asked)

    def epoch(self, number: int) -> Epoch:
        """Encodes and batches epoch `number` (from 0), unless it is the one that is loaded."""
        if self._epoch is None or self._epoch.number != number:
            self._epoch = None  # before the next is made: two at once would double the memory
            encoded = self._encode(number)
            if self.state.truncation is None and (found := count_truncation(encoded, self.job.examples)) is not None:
                self.job.warn_of_cut(found)
                self.state.truncation = found.model_dump()
            self._epoch = Epoch(number, encoded, self.job)
            self._micro_batches.probe(self._epoch)
        return self._epoch

    def _encode(self, epoch: int) -> Encoded:
        """Encodes the training set of an epoch. A signal ends this long work at once: it comes between two steps."""
        if self.accelerator.num_processes > 1 and self._sync.saved_step < self.state.step:
            return self.job.encoded(epoch)  # a checkpoint has to be written, which they agree on after a step
        try:
            with signals.released():
                return self.job.encoded(epoch)
        except KeyboardInterrupt:
            self.save()
            raise

    def select(self) -> None:
        """Scores the source dev set; keeps the weights where they are strictly better than any before.

        Raises RunError, on all processes, where weights are not finite, and what `score_dev` raises.
        """
        state, metric = self.state, self.job.metric
        if broken := not_finite((name, p) for name, p in self.job.model.named_parameters() if p.requires_grad):
            self._give_up(f"{len(broken)} of the trained tensors are not finite ({broken[0]})")
        with nullcontext() if self.rows is None else self.rows.whole():
            value = self.job.score_dev(self.model)
        state.dev.append({"step": state.step, "value": value})
        better = self._best.consider(state, value)
        logger.debug("step %d dev %s %.4f%s", state.step, metric, value, ", best so far" if better else "")
        self.observers.call("dev_scored", step=state.step, metric=metric, value=value, best=better)

    def save(self) -> None:
        """Writes a checkpoint, unless the last one is of this very step. All processes call it."""
        if self._sync.pending:
            self._read_loss()  # so that the loss up to here is in the checkpoint
        state = self.state
        if self._sync.saved_step == state.step:
            return
        self._sync.checkpoint_saved(state.step)
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        optimiser = {
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        with self._best.tolerating_full_disk():
            self._best.flush(state)  # a checkpoint without its best weights would be none
            path = self.job.checkpoints.save(state.step, trainable_state(self.job.model), optimiser, asdict(state))
            self.observers.call("checkpoint_saved", step=state.step, path=str(path))
