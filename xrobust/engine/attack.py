"""An attack at test time: predictions under the worst offset of the input embeddings that is found in a ball."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from xrobust.contracts import Batch, Output
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import IGNORED
from xrobust.contracts.noise import Norm, project, steepest, uniform_in_ball
from xrobust.engine.batches import micro_batch
from xrobust.engine.forward import ModelForward
from xrobust.engine.predict import evaluating, item_outputs, map_batches, require_numbers
from xrobust.engine.seeds import derive_seed


def attack(
    model: Any,
    encoded: Encoded,
    radii: Sequence[float],
    *,
    steps: int,
    step_size: float | None,
    norm: Norm,
    seed: int,
    accelerator: Any,
    pad_id: int,
) -> list[list[np.ndarray]]:
    """Probabilities of each item under the worst offset found, for each radius: the output of `predict`, attacked.

    Written here, for libraries of attacks know one ball around an image, none around each token and none that grows.

    Projected gradient ascent (Madry et al., ICLR 2018, section 2.1) on the cross entropy of the gold labels, summed
    over an item's words for tagging, within ||delta_i|| <= radius for every ordinary token i; padding and special
    tokens stay as they are. The model is in eval mode. Every offset on the way counts, not only the last: an item keeps
    the offset with the highest loss, starting from none at all; in classification one that changes the answer comes
    before any that does not.

    The first radius starts from a random point of its ball, a larger one from the worst offset before it, grown with
    the ball. An offset stays the worst until a worse one is found. So along `radii` an item once fooled stays fooled,
    and an item's loss never falls (but for one case: the offset that first changes the answer may have a lower one,
    where there are three labels or more).

    Args:
        model: a trained transformers or PEFT model with a head. Its weights, modes and flags are left as they were.
        encoded: items with their gold labels.
        radii: ascending, in the model's own units (`PgdParams.radii`); 0 is the clean prediction.
        steps: of ascent at each radius: `steps` passes forward and backward, and one forward.
        step_size: length of a step in the model's own units; None: 2.5 * radius / steps.
        norm: of the balls.
        seed: random starts are drawn by (seed, first item of the batch), whatever the number of processes.
        accelerator: shares batches out over processes, and says where and in which precision to compute.
        pad_id: of the tokenizer's padding.

    Raises:
        ValueError: radii that do not ascend.
        RunError: an output is not a number.
    """
    if not all(a <= b for a, b in pairwise([0.0, *radii])):
        raise ValueError(f"radii must be at least 0 and ascend: {list(radii)}")
    bare = accelerator.unwrap_model(model)

    def under_attack(items: list[int]) -> list[list[np.ndarray]]:
        batch = micro_batch(
            encoded,
            items,
            pad_id,
            accelerator.device,
            seed=derive_seed(seed, "attack", items[0]),
            embedding_dim=forward.embedding_dim,
        )
        with torch.no_grad():
            worst = _Worst(batch, forward(batch), per_token=encoded.per_token)
        outputs = []
        for before, radius in pairwise([0.0, *radii]):
            if radius > 0:
                start = _start(batch, worst, radius, before, norm)
                step = 2.5 * radius / steps if step_size is None else step_size
                _ascend(forward, batch, worst, start, radius, steps=steps, step=step, norm=norm)
            outputs.append(item_outputs(worst.probabilities, batch.labels, per_token=encoded.per_token))
        return [list(of_item) for of_item in zip(*outputs, strict=True)] if outputs else [[] for _ in items]

    with (
        evaluating(bare),
        _without_gradients(bare),
        closing(ModelForward(bare, bare, autocast=accelerator.autocast)) as forward,
    ):
        by_item = map_batches(encoded, accelerator, under_attack)
    require_numbers(probabilities for of_item in by_item for probabilities in of_item)
    return [[of_item[k] for of_item in by_item] for k in range(len(radii))]


class _Worst:
    """Worst offset so far of each item of a batch, with its loss and probabilities."""

    def __init__(self, batch: Batch, clean: Output, *, per_token: bool) -> None:
        self._labels = batch.labels
        self._per_token = per_token
        self.loss, self.fooled = self._judge(clean)
        self.probabilities = clean.logits.softmax(dim=-1)
        """float32 (items, labels), or (items, length, labels) for tagging."""
        self.offset = torch.zeros(batch.noise_shape(), device=batch.noise_mask.device)

    def _judge(self, output: Output) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of each item, and True for a wrong answer; never for tagging, where one wrong word decides nothing."""
        logits, labels = output.logits.detach(), self._labels
        losses = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none", ignore_index=IGNORED)
        loss = losses.view(len(labels), -1).sum(dim=1)
        wrong = torch.zeros_like(loss, dtype=torch.bool) if self._per_token else logits.argmax(dim=-1) != labels
        return loss, wrong

    def consider(self, offset: torch.Tensor, output: Output) -> None:
        """Keeps `offset` and its output for the items for which it is worse."""
        loss, fooled = self._judge(output)
        worse = (fooled & ~self.fooled) | ((fooled == self.fooled) & (loss > self.loss))
        self.loss = torch.where(worse, loss, self.loss)
        self.fooled = self.fooled | fooled
        probabilities = output.logits.detach().softmax(dim=-1)
        self.probabilities = torch.where(
            worse.view(-1, *[1] * (probabilities.dim() - 1)), probabilities, self.probabilities
        )
        self.offset = torch.where(self._rows(worse), offset.detach(), self.offset)

    def found(self) -> torch.Tensor:
        """bool (rows, 1, 1): True if an offset is known that is worse than none."""
        return self._rows(self.offset.view(len(self.loss), -1).any(dim=1))

    def _rows(self, of_items: torch.Tensor) -> torch.Tensor:
        """(items,) -> (rows, 1, 1): an item of multiple choice has many rows."""
        return of_items.repeat_interleave(len(self.offset) // len(of_items)).view(-1, 1, 1)


def _start(batch: Batch, worst: _Worst, radius: float, before: float, norm: Norm) -> torch.Tensor:
    """Start of the ascent: the worst offset so far, grown with the ball, or a random point of the ball without one."""
    device = batch.noise_mask.device
    drawn = uniform_in_ball(batch.noise_shape(), radius, norm, generator=batch.generator, device=device)
    return torch.where(worst.found(), worst.offset * (radius / before), drawn) if before > 0 else drawn


def _ascend(
    forward: ModelForward,
    batch: Batch,
    worst: _Worst,
    offset: torch.Tensor,
    radius: float,
    *,
    steps: int,
    step: float,
    norm: Norm,
) -> None:
    """Ascends from `offset`, and lets `worst` look at every offset on the way."""
    for _ in range(steps):
        offset.requires_grad_()
        output = forward(batch, offset)
        (gradient,) = torch.autograd.grad(output.loss, offset)
        with torch.no_grad():
            worst.consider(offset, output)
            offset = project(offset + step * steepest(gradient, norm), radius, norm)
    with torch.no_grad():
        worst.consider(offset, forward(batch, offset))


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
