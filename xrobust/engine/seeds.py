"""Randomness in training, keyed: every draw is a function of (run seed, purpose, position), never of what ran before.

So a checkpoint needs no generator state, and a resumed run is the run that was never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


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


class DropoutState:
    """The state of torch's own generators, which dropout draws from, at one moment: on the CPU and on a device."""

    def __init__(self, device: torch.device) -> None:
        """Keeps the state as it is now."""
        import torch

        self._cpu = torch.get_rng_state()
        self._module = None if device.type == "cpu" else torch.get_device_module(device)
        self._device = device
        self._on_device = None if self._module is None else self._module.get_rng_state(device)

    def restore(self) -> None:
        """Puts the generators back to that state."""
        import torch

        torch.set_rng_state(self._cpu)
        if self._module is not None:
            self._module.set_rng_state(self._on_device, self._device)
