"""The order of examples, in batches of similar length: for training a pure function of (seed, epoch), for evaluation of
the lengths alone."""

from __future__ import annotations

import numpy as np

from xrobust.engine.seeds import derive_seed

BUCKET_BATCHES = 200
"""Batches sorted by length together: long enough to leave little padding (docs/performance.md has the shares), short
enough to leave the order random."""
BATCH_OVERHEAD = {"cpu": 64, "cuda": 8192}
"""Fixed cost of a forward pass, in word pieces: in evaluation a batch is cut in two where that saves more padding.
Measured (docs/performance.md): on a GPU 12 layers take 4 to 6 ms to be launched, in which an H200 computes 3,000 pieces
of 384 dimensions in fp32 and 16,000 in bf16; this is between them."""
BATCH_PIECES = {"cpu": 2048, "cuda": 32768}
"""Most word pieces in a batch of evaluation, padding included: as many as fit into caches, or fill a GPU."""


def epoch_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of example indices, each example once.

    `lengths` (examples,) are in word pieces. Examples are shuffled, sorted by length within stretches of
    BUCKET_BATCHES batches, cut into batches, and the batches shuffled. The last batch of the cut may be short.
    """
    rng = np.random.default_rng(derive_seed(seed, "order", epoch))
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


def evaluation_batches(lengths: np.ndarray, device_type: str) -> list[np.ndarray]:
    """Batches of item indices, each item once, that cost the least: sorted by length, cut where it saves the most.

    A batch costs its items times the longest of them, and BATCH_OVERHEAD; it has BATCH_PIECES pieces at most, unless
    one item alone has more. The cuts are the best there are (dynamic programming over the sorted items). They depend on
    the kind of device but not on the number of processes, so that one and two compute the same batches, and get the
    same numbers.

    Args:
        lengths: int64 (items,), word pieces of each, over all of its sequences.
        device_type: of a `torch.device`; one that is not known is taken for a GPU.
    """
    overhead, most = (table.get(device_type, table["cuda"]) for table in (BATCH_OVERHEAD, BATCH_PIECES))
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order].astype(np.int64)
    cost = np.zeros(len(order) + 1, dtype=np.int64)
    """Cost of the best batches of the first n items."""
    begins = np.zeros(len(order) + 1, dtype=np.int64)
    """Index in `order` where the last batch of the first n items begins."""
    for stop in range(1, len(order) + 1):
        longest = max(1, int(ascending[stop - 1]))
        first = max(0, stop - max(1, most // longest))
        starts = np.arange(first, stop)
        costs = cost[first:stop] + (stop - starts) * longest
        best = int(costs.argmin())
        cost[stop], begins[stop] = costs[best] + overhead, first + best
    batches: list[np.ndarray] = []
    stop = len(order)
    while stop:
        batches.append(order[begins[stop] : stop])
        stop = int(begins[stop])
    return batches[::-1]
