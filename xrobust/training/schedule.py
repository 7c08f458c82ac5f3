"""Learning-rate schedule, and the parameter groups of the optimiser."""

from __future__ import annotations

from typing import Any

from torch import nn

from xrobust.config.training_settings import TrainingSettings


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """Learning rate of optimiser step `step` (from 0): linear warm-up, then linear decay to 0 at `total`."""
    warmup = int(settings.warmup_ratio * total)
    if step < warmup:
        return settings.learning_rate * step / warmup
    return settings.learning_rate * (total - step) / max(1, total - warmup)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters as optimiser groups: matrices decay; biases, the weights of norms and other vectors do not.

    Vectors scale or shift what they are applied to, so that 0 is not where they do nothing. IA3's are of shape
    (1, n) or (n, 1) too; a Linear with one output and an Embedding with one row have matrices of such a shape.
    """
    decays: dict[nn.Parameter, bool] = {}
    for module in model.modules():
        matrices = isinstance(module, nn.Linear | nn.Embedding)
        for p in module.parameters(recurse=False):
            if p.requires_grad:
                decays.setdefault(p, p.ndim > 1 and (matrices or sum(size > 1 for size in p.shape) > 1))
    groups = [
        {"params": [p for p in decays if decays[p]], "weight_decay": weight_decay},
        {"params": [p for p in decays if not decays[p]], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
