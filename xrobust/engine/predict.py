"""Prediction over many items, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

from xrobust.encoded import IGNORED, Encoded
from xrobust.engine.batches import tensors
from xrobust.engine.memory import Parts
from xrobust.errors import RunError

BATCH_PIECES = 8192
"""Word pieces in a batch at most, padding included."""
EVEN_BATCHES = 24
"""The number of batches is a multiple of it: 2, 3, 4, 6, 8 or 12 processes get as many each.

In a small test set lengths in each are alike for it too.
"""
SMALLEST_BATCH_PIECES = 1024
"""A very small test set is cut into fewer: each pass has a cost of its own."""

Result = TypeVar("Result")


def evaluation_batches(encoded: Encoded) -> list[np.ndarray]:
    """Item indices in batches of similar length, each of a bounded number of pieces.

    They depend on the data alone, not on the number of processes, so that one and two processes compute the same
    batches and get the same numbers.
    """
    lengths = encoded.lengths * encoded.group
    order = np.argsort(lengths, kind="stable")
    ascending, total = lengths[order], int(lengths.sum())
    if total <= EVEN_BATCHES * SMALLEST_BATCH_PIECES:
        return np.split(order, _cuts(ascending, min(SMALLEST_BATCH_PIECES, BATCH_PIECES)))
    number = EVEN_BATCHES * -(-total // (EVEN_BATCHES * BATCH_PIECES))
    pieces = total / number
    while len(cuts := _cuts(ascending, pieces)) >= number:
        pieces *= 1.01  # for the padding
        if pieces > BATCH_PIECES:
            number += EVEN_BATCHES
            pieces = total / number
    return np.split(order, cuts)


def _cuts(ascending: np.ndarray, pieces: float) -> list[int]:
    """Where batches begin, but the first, of items whose lengths ascend: each of at most `pieces` with padding."""
    cuts: list[int] = []
    start = 0
    while start < len(ascending):
        if start:
            cuts.append(start)
        padded = np.arange(1, len(ascending) - start + 1) * ascending[start:]  # of a batch that ends with each item
        start += max(1, int(np.searchsorted(padded, pieces, side="right")))
    return cuts


def shares(costs: Sequence[int], processes: int) -> list[list[int]]:
    """Indices of `costs` for each process, so that the sums of costs are nearly equal: they differ by less than the
    greatest cost. The greatest first, each to the process that has least (Graham's longest-processing-time rule)."""
    taken: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        least = loads.index(min(loads))
        taken[least].append(index)
        loads[least] += costs[index]
    return taken


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """The model in eval mode; afterwards each of its modules is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def over_batches(encoded: Encoded, accelerator: Any, compute: Callable[[list[int]], list[Result]]) -> list[Result]:
    """What `compute` gives for each item, in the order of items, on all processes.

    `compute` is called with the items of a batch, or of a part of one that did not fit into memory. Each process takes
    batches of about as many pieces; (item, result) pairs are gathered, and the set of items must come out exact.
    """
    from accelerate.utils import gather_object

    lengths = encoded.lengths

    def pieces(items: list[int]) -> int:
        return len(items) * encoded.group * int(lengths[items].max())

    batches = evaluation_batches(encoded)
    costs = [pieces(batch.tolist()) for batch in batches]
    in_parts = Parts(compute, pieces)
    mine: list[tuple[int, Result]] = []
    for number in shares(costs, accelerator.num_processes)[accelerator.process_index]:
        items = batches[number].tolist()
        mine += zip(items, in_parts(items), strict=True)
    gathered = gather_object(mine) if accelerator.num_processes > 1 else mine
    outputs = dict(gathered)
    if len(gathered) != len(encoded) or sorted(outputs) != list(range(len(encoded))):
        raise RunError(f"{len(gathered)} predictions for {len(encoded)} items after gathering over processes")
    return [outputs[item] for item in range(len(encoded))]


def item_outputs(probabilities: torch.Tensor, labels: torch.Tensor, *, per_token: bool) -> list[np.ndarray]:
    """A batch's probabilities, item by item: float32 (labels,), or (words, labels) for tagging."""
    found, there = probabilities.cpu().numpy(), labels.cpu().numpy() != IGNORED
    # Copies, so that an item kept does not keep its padded batch.
    return [p[there[row]] if per_token else p.copy() for row, p in enumerate(found)]


def predict(model: Any, encoded: Encoded, accelerator: Any, pad_id: int) -> list[np.ndarray]:
    """The probabilities of each item: float32 (labels,), or (words, labels) for tagging. All processes return all."""

    def probabilities(items: list[int]) -> list[np.ndarray]:
        inputs = tensors(encoded, items, pad_id, accelerator.device)
        labels = inputs.pop("labels")
        inputs.pop("noise_mask")
        return item_outputs(model(**inputs).logits.float().softmax(dim=-1), labels, per_token=encoded.per_token)

    with evaluating(model), torch.inference_mode(), accelerator.autocast():
        return over_batches(encoded, accelerator, probabilities)
