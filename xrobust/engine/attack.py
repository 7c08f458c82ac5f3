"""An attack at test time: predictions under the worst offsets of the input embeddings that are found in a ball."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from xrobust.contracts import Batch
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import IGNORED
from xrobust.contracts.noise import Norm, project, steepest, uniform_in_ball
from xrobust.engine.attack_losses import LOSSES, logit_scale, wrong_labels
from xrobust.engine.batches import micro_batch
from xrobust.engine.forward import ModelForward
from xrobust.engine.predict import evaluating, item_outputs, map_batches, require_numbers
from xrobust.engine.seeds import derive_seed


def attack(
    model: Any,
    encoded: Encoded,
    radii: Sequence[float],
    *,
    losses: Sequence[str],
    steps: int,
    restarts: int,
    step_size: float | None,
    norm: Norm,
    seed: int,
    accelerator: Any,
    pad_id: int,
) -> list[list[list[np.ndarray]]]:
    """Probabilities of each item under the worst offsets found: for each radius and each chain the output of `predict`.

    Written here, for libraries of attacks know one ball around an image, none around each token and none that grows.

    Projected gradient ascent (Madry et al., ICLR 2018, section 2.1) on a loss of the gold labels, summed over an item's
    words for tagging, within ||delta_i|| <= radius for every ordinary token i; padding and special tokens stay as they
    are. The model is in eval mode and computes in float32, whatever the accelerator's precision: gradients vanish in
    half precision. A loss sees logits divided by their scale on clean input, for gradients by that under the offset
    where it is larger, and a step has a length of its own: so a model whose logits are multiplied by a number is
    attacked as hard.

    A chain is one loss and one restart, along all radii; there are restarts * losses of them, losses first. Every
    offset on its way counts, not only the last: an item keeps the offset with the most wrong labels, and of these the
    one with the highest loss, starting from none at all. An offset stays the worst until a worse one is found. The
    first restart begins at a random point of the first ball, and in a larger one at the worst offset before it, grown
    with the ball; the others begin each ball at a random point. Items of which a chain has all labels wrong are left
    alone by the chains after it.

    Args:
        model: a trained transformers or PEFT model with a head. Its weights, modes and flags are left as they were.
        encoded: items with their gold labels.
        radii: ascending, in the model's own units (`PgdParams.radii`); 0 is the clean prediction.
        losses: names of `LOSSES`.
        steps: of ascent at each radius: `steps` passes forward and backward, and one forward.
        restarts: of each loss at each radius, at least 1.
        step_size: length of a step in the model's own units; None: 2.5 * radius / steps.
        norm: of the balls.
        seed: random starts are drawn by (seed, first item of the batch, restart), whatever the number of processes.
        accelerator: shares batches out over processes, and says where to compute.
        pad_id: of the tokenizer's padding.

    Raises:
        ValueError: radii that do not ascend.
        RunError: an output is not a number.
    """
    if not all(a <= b for a, b in pairwise([0.0, *radii])):
        raise ValueError(f"radii must be at least 0 and ascend: {list(radii)}")
    bare = accelerator.unwrap_model(model)

    def under_attack(items: list[int]) -> list[list[list[np.ndarray]]]:
        dim = forward.embedding_dim
        batch = micro_batch(encoded, items, pad_id, accelerator.device, seed=seed, embedding_dim=dim)
        seeds = [derive_seed(seed, "attack", items[0], restart) for restart in range(restarts)]
        with torch.no_grad():
            clean = forward(batch).logits
        chains = [
            _Chain(forward, batch, clean, loss, restart, seeds[restart])
            for restart in range(restarts)
            for loss in losses
        ]
        outputs = []
        for before, radius in pairwise([0.0, *radii]):
            if radius > 0:
                step = 2.5 * radius / steps if step_size is None else step_size
                for chain in chains:
                    start = chain.start(radius, before, norm)
                    left = torch.stack([other.hopeful() for other in chains]).all(dim=0)
                    chain.ascend(left.nonzero().squeeze(1), start, radius, steps=steps, step=step, norm=norm)
            outputs.append([chain.outputs(per_token=encoded.per_token) for chain in chains])
        return [[[of_chain[i] for of_chain in of_radius] for of_radius in outputs] for i in range(len(items))]

    with (
        evaluating(bare),
        _without_gradients(bare),
        closing(ModelForward(bare, bare, autocast=nullcontext)) as forward,
    ):
        by_item = map_batches(encoded, accelerator, under_attack)
    require_numbers(of_item[0][0] for of_item in by_item if of_item)
    chains = range(restarts * len(losses))
    return [[[of_item[k][c] for of_item in by_item] for c in chains] for k in range(len(radii))]


class _Chain:
    """The ascent of one loss from one start along all radii, with the worst offset so far of each item of a batch."""

    def __init__(
        self, forward: ModelForward, batch: Batch, clean: torch.Tensor, loss: str, restart: int, seed: int
    ) -> None:
        self._forward = forward
        self._batch = batch
        self._restart = restart
        self._generator = torch.Generator(device=clean.device).manual_seed(seed)
        self._scale = self._scale_of(clean, batch.labels)
        self._loss_of = LOSSES[loss]
        self._labelled = (batch.labels != IGNORED).view(len(clean), -1).sum(dim=1)
        self.logits = clean.clone()
        """float32 (items, labels), or (items, length, labels) for tagging."""
        self.loss = self._loss_of(clean / self._scale, batch.labels)
        self.wrong = wrong_labels(clean, batch.labels)
        rows, length, dim = batch.noise_shape()
        self.offset = torch.zeros((len(clean), rows // len(clean), length, dim), device=clean.device)
        """float32 (items, rows of an item, length, embedding_dim)."""

    def start(self, radius: float, before: float, norm: Norm) -> torch.Tensor:
        """Start of the ascent in a ball, as `offset`; a draw is made where none is needed too, so that no draw depends
        on what was found."""
        drawn = uniform_in_ball(
            tuple(self.offset.shape), radius, norm, generator=self._generator, device=self.offset.device
        )
        if self._restart > 0 or before == 0:
            return drawn
        found = self.offset.flatten(1).any(dim=1).view(-1, 1, 1, 1)
        return torch.where(found, self.offset * (radius / before), drawn)

    def hopeful(self) -> torch.Tensor:
        """bool (items,): True while a label is right."""
        return self.wrong < self._labelled

    def consider(self, items: torch.Tensor, offset: torch.Tensor, logits: torch.Tensor) -> None:
        """Keeps the offsets, and the logits that they lead to, of those of some items for which they are worse."""
        loss, wrong = self._loss(logits, items), wrong_labels(logits, self._batch.labels[items])
        worse = (wrong > self.wrong[items]) | ((wrong == self.wrong[items]) & (loss > self.loss[items]))
        at = items[worse]
        self.wrong[at], self.loss[at] = wrong[worse], loss[worse]
        self.logits[at], self.offset[at] = logits[worse], offset[worse]

    def ascend(
        self, items: torch.Tensor, start: torch.Tensor, radius: float, *, steps: int, step: float, norm: Norm
    ) -> None:
        """Ascends the loss of some items of the batch, and considers every offset on the way."""
        if not len(items):
            return
        batch, offset = self._part(items), start[items]
        for _ in range(steps):
            offset.requires_grad_()
            logits = self._forward(batch, offset.flatten(0, 1)).logits
            # The scale of now: where clean logits were nearly equal, theirs would leave the losses without a gradient.
            scale = torch.maximum(self._scale[items], self._scale_of(logits.detach(), batch.labels))
            (gradient,) = torch.autograd.grad(self._loss_of(logits / scale, batch.labels).sum(), offset)
            with torch.no_grad():
                self.consider(items, offset.detach(), logits.detach())
                offset = project(offset + step * steepest(gradient, norm), radius, norm)
        with torch.no_grad():
            self.consider(items, offset, self._forward(batch, offset.flatten(0, 1)).logits)

    def outputs(self, *, per_token: bool) -> list[np.ndarray]:
        """The probabilities of each item under its worst offset so far."""
        return item_outputs(self.logits.softmax(dim=-1), self._batch.labels, per_token=per_token)

    @staticmethod
    def _scale_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The scale of each item, with the dimensions of logits."""
        return logit_scale(logits, labels).view(-1, *[1] * (logits.dim() - 1))

    def _loss(self, logits: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """The loss of some items of the batch, by which offsets are compared: (items,)."""
        return self._loss_of(logits / self._scale[items], self._batch.labels[items])

    def _part(self, items: torch.Tensor) -> Batch:
        """Some items of the batch, padded as it is."""
        batch, count = self._batch, len(self.logits)
        mask = batch.noise_mask.view(count, -1, *batch.noise_mask.shape[1:])[items].flatten(0, 1)
        inputs = {name: values[items] for name, values in batch.inputs.items()}
        return replace(batch, inputs=inputs, labels=batch.labels[items], noise_mask=mask)


@contextmanager
def _without_gradients(model: torch.nn.Module) -> Iterator[None]:
    """Context without gradients of parameters: passes need less memory, and no parameter changes by mistake."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
