"""The order of examples: a pure function of (seed, epoch), in batches of similar length."""

from __future__ import annotations

import numpy as np

from xrobust.engine.seeds import derive

BUCKET_BATCHES = 50
"""Batches sorted by length together: long enough to leave little padding, short enough to leave the order random."""


def epoch_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of example indices, each example once.

    `lengths` (examples,) are in word pieces. Examples are shuffled, sorted by length within stretches of
    BUCKET_BATCHES batches, cut into batches, and the batches shuffled. The last batch of the cut may be short.
    """
    rng = np.random.default_rng(derive(seed, "order", epoch))
    order = rng.permutation(len(lengths))
    stretch = BUCKET_BATCHES * batch_size
    batches: list[np.ndarray] = []
    for start in range(0, len(order), stretch):
        bucket = order[start : start + stretch]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Number of batches that `epoch_batches` makes."""
    return -(-examples // batch_size)
