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


def model_inputs(encoded: Encoded, items: Sequence[int], pad_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """The padded batch of `items` as arguments of a model: without labels."""
    batch = tensors(encoded, items, pad_id, device)
    return {name: tensor for name, tensor in batch.items() if name not in ("labels", "noise_mask")}


def micro_batch(
    encoded: Encoded, items: Sequence[int], pad_id: int, device: torch.device, *, seed: int, embedding_dim: int
) -> Batch:
    """The `Batch` of `items` that an objective gets, with a generator seeded by `seed`."""
    inputs = tensors(encoded, items, pad_id, device)
    return Batch(
        labels=inputs.pop("labels"),
        noise_mask=inputs.pop("noise_mask").float().unsqueeze(-1),
        inputs=inputs,
        generator=torch.Generator(device=device).manual_seed(seed),
        embedding_dim=embedding_dim,
    )
