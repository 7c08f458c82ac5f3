"""Clipping of gradients to a norm, which does not depend on how many unused word embeddings there are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


def clip_gradients(parameters: Iterable[nn.Parameter], table: nn.Parameter | None, max_norm: float) -> None:
    """Scales the gradients of `parameters` to an L2 norm of at most `max_norm` over all of them.

    The gradient of `table`, the word embeddings (rows, dimensions), is summed row by row and in double precision: rows
    of zeros then do not change the norm even by rounding, and training without them gives the same weights bit for bit.
    """
    trained = [p for p in parameters if p.grad is not None]
    norms = [get_total_norm([p.grad for p in trained if p is not table and p.grad is not None])]
    if table is not None and table.grad is not None:
        by_row = torch.linalg.vector_norm(table.grad, dim=1)
        exact = by_row if by_row.device.type == "mps" else by_row.double()  # MPS has no double precision
        norms.append(torch.linalg.vector_norm(exact).to(norms[0]))
    clip_grads_with_norm_(trained, max_norm, torch.linalg.vector_norm(torch.stack(norms)))
