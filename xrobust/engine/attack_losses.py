"""Losses that an attack ascends, one value for each item: the same for logits of any scale.

Logits have shape (items, labels), or (items, length, labels) for tagging, and are divided by `logit_scale`; gold labels
(items,) or (items, length), with -100 where no label is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from xrobust.contracts.example import IGNORED

SHARPNESS = 5.0
"""Factor of logits in both losses. It decides how words share the effort in tagging: those near the border get more of
it than those that no offset of the ball will turn. docs/robustness.md has the values measured."""


def margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum over an item's labels of the sigmoid of the highest logit of another label - that of the gold one: (items,).

    The margin of Carlini & Wagner (IEEE S&P 2017, section V-A, f_6), without a target. Where an item has one label its
    ascent is the margin's own. Over words a sum of margins would go on with words that are wrong, or that stay right
    whatever is done; the sigmoid, flat for both, is near the number of wrong words.
    """
    known = labels != IGNORED
    gold = labels.where(known, 0).unsqueeze(-1)
    others = logits.scatter(-1, gold, -torch.inf).amax(dim=-1)
    return _by_item(torch.sigmoid(SHARPNESS * (others - logits.gather(-1, gold).squeeze(-1))), known)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum over an item's labels of the cross entropy: (items,)."""
    flat = SHARPNESS * logits.flatten(0, -2)
    values = F.cross_entropy(flat, labels.flatten(), reduction="none", ignore_index=IGNORED)
    return _by_item(values.view(labels.shape), labels != IGNORED)


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "margin": margin,
    "cross_entropy": cross_entropy,
}


def logit_scale(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Root mean square of an item's logits about the mean of their label set, over its labels: (items,), never 0."""
    known = labels != IGNORED
    largest = logits.where(logits.isfinite(), 0).abs().view(len(logits), -1).amax(dim=1)
    largest = largest.where(largest > 0, 1)
    within = logits / largest.view(-1, *[1] * (logits.dim() - 1))  # or squares of large ones would be infinite
    spread = _by_item(within.var(dim=-1, correction=0), known) / _by_item(torch.ones_like(logits[..., 0]), known)
    scale = largest * spread.sqrt()
    return scale.where(scale > 0, 1)


def wrong_labels(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Number of an item's labels that its logits do not choose: (items,)."""
    return _by_item(logits.argmax(dim=-1) != labels, labels != IGNORED)


def _by_item(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Sums the known ones of (items,) or (items, length) over each item: (items,)."""
    return values.where(known, 0).view(len(known), -1).sum(dim=1)
