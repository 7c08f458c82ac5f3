"""Prediction over many items, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import IGNORED
from xrobust.engine.batches import tensors
from xrobust.engine.memory import OutOfMemorySplitter
from xrobust.engine.order import evaluation_batches
from xrobust.errors import NotANumber, RunError

Result = TypeVar("Result")


def shares(costs: Sequence[int], processes: int) -> list[list[int]]:
    """Indices of `costs` for each process: the sums of their costs are nearly equal, and differ by less than the
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
    """Context with the model in eval mode; afterwards each of its modules is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def map_batches(encoded: Encoded, accelerator: Any, compute: Callable[[list[int]], list[Result]]) -> list[Result]:
    """Results of `compute` for all items, in their order, on all processes.

    `compute` is called with the items of a batch, or of a part of one that did not fit into memory. Each process takes
    batches of about as many pieces; (item, result) pairs are gathered, and the set of items must come out exact.
    """
    from accelerate.utils import gather_object

    lengths = encoded.lengths

    def pieces(items: list[int]) -> int:
        return len(items) * encoded.group * int(lengths[items].max())

    batches = evaluation_batches(lengths * encoded.group, accelerator.device.type)
    costs = [pieces(batch.tolist()) for batch in batches]
    in_parts = OutOfMemorySplitter(compute, pieces)
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
    values, labelled = probabilities.cpu().numpy(), labels.cpu().numpy() != IGNORED
    # Copies, so that an item kept does not keep its padded batch.
    return [p[labelled[row]] if per_token else p.copy() for row, p in enumerate(values)]


def require_numbers(outputs: Iterable[np.ndarray]) -> None:
    """Raises NotANumber unless the probabilities of all items are numbers.

    Called on all processes with the same outputs, so that none waits for another.
    """
    wrong = sum(bool(np.isnan(probabilities).any()) for probabilities in outputs)
    if wrong:
        raise NotANumber(
            f"the model's output is not a number for {wrong} examples: its weights are damaged, or too large for the "
            "precision"
        )


def predict(model: Any, encoded: Encoded, accelerator: Any, pad_id: int) -> list[np.ndarray]:
    """The probabilities of each item: float32 (labels,), or (words, labels) for tagging. All processes return all.

    Raises NotANumber for an output that is none.
    """

    def probabilities(items: list[int]) -> list[np.ndarray]:
        inputs = tensors(encoded, items, pad_id, accelerator.device)
        labels = inputs.pop("labels")
        inputs.pop("noise_mask")
        return item_outputs(model(**inputs).logits.float().softmax(dim=-1), labels, per_token=encoded.per_token)

    with evaluating(model), torch.inference_mode(), accelerator.autocast():
        outputs = map_batches(encoded, accelerator, probabilities)
    require_numbers(outputs)
    return outputs
