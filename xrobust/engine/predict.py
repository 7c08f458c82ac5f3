"""Prediction over many items, sharded over processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from xrobust.encoded import IGNORED, Encoded
from xrobust.errors import RunError

BATCH_PIECES = 8192
"""Word pieces in a batch, padding included. Independent of the number of processes, so that one and two processes
compute the same batches and get the same numbers."""


def evaluation_batches(encoded: Encoded) -> list[np.ndarray]:
    """Item indices in batches of similar length and at most BATCH_PIECES pieces."""
    lengths = encoded.lengths * encoded.group
    batches: list[np.ndarray] = []
    order = np.argsort(lengths, kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        # Lengths ascend: the batch [start, stop) is padded to the length of its last item.
        if stop == len(order) or (stop + 1 - start) * lengths[order[stop]] > BATCH_PIECES:
            batches.append(order[start:stop])
            start = stop
    return batches


def predict(model: Any, encoded: Encoded, accelerator: Any, pad_id: int) -> list[np.ndarray]:
    """The probabilities of each item: float32 (labels,), or (words, labels) for tagging.

    Every process takes each n-th batch; (item, output) pairs are gathered, and the set of items must come out exact.
    All processes return the whole list.
    """
    from accelerate.utils import gather_object

    was_training = model.training
    model.eval()
    mine: list[tuple[int, np.ndarray]] = []
    with torch.inference_mode(), accelerator.autocast():
        for batch in evaluation_batches(encoded)[accelerator.process_index :: accelerator.num_processes]:
            arrays = encoded.collate(batch.tolist(), pad_id)
            labels = torch.from_numpy(arrays.pop("labels"))
            arrays.pop("noise_mask")
            inputs = {name: torch.from_numpy(a).to(accelerator.device) for name, a in arrays.items()}
            probabilities = model(**inputs).logits.float().softmax(dim=-1).cpu()
            for row, item in enumerate(batch.tolist()):
                p = probabilities[row]
                mine.append((item, (p[labels[row] != IGNORED] if encoded.per_token else p).numpy()))
    model.train(was_training)
    gathered = gather_object(mine) if accelerator.num_processes > 1 else mine
    outputs = dict(gathered)
    if len(gathered) != len(encoded) or sorted(outputs) != list(range(len(encoded))):
        raise RunError(f"{len(gathered)} predictions for {len(encoded)} items after gathering over processes")
    return [outputs[item] for item in range(len(encoded))]
