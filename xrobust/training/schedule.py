"""Learning-rate schedule, and the parameter groups of the optimiser."""

from __future__ import annotations

from typing import Any

import torch

from xrobust.config.training_settings import TrainingSettings


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """Learning rate of optimiser step `step` (from 0): linear warm-up, then linear decay to 0 at `total`."""
    warmup = int(settings.warmup_ratio * total)
    if step < warmup:
        return settings.learning_rate * step / warmup
    return settings.learning_rate * (total - step) / max(1, total - warmup)


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters as optimiser groups. Biases and the weights of norms, which are vectors, do not decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
