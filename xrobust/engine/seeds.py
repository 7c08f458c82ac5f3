"""Randomness in training, keyed: every draw is a function of (run seed, purpose, position), never of what ran before.

So a checkpoint needs no generator state, and a resumed run is the run that was never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager


def derive_seed(*key: int | str) -> int:
    """A 63-bit seed from a key such as (seed, "dropout", step, micro_batch, process)."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded_torch(seed: int) -> Iterator[None]:
    """Context in which torch's CPU generator is seeded with `seed`; its state is restored afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
