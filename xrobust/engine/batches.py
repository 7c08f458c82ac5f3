"""Encoded items as tensors on a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xrobust.contracts import Batch
from xrobust.contracts.encoded import Encoded


def tensors(encoded: Encoded, items: Sequence[int], pad_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """The padded batch of `items` (`Encoded.collate`)."""
    arrays = encoded.collate(items, pad_id)
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays.items()}


def micro_batch(
    encoded: Encoded, items: Sequence[int], pad_id: int, device: torch.device, *, seed: int, embedding_dim: int
) -> Batch:
    """`items` as an objective is given them; its generator is seeded with `seed`."""
    found = tensors(encoded, items, pad_id, device)
    return Batch(
        labels=found.pop("labels"),
        noise_mask=found.pop("noise_mask").float().unsqueeze(-1),
        inputs=found,
        generator=torch.Generator(device=device).manual_seed(seed),
        embedding_dim=embedding_dim,
    )
