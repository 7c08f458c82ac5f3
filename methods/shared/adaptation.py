"""Code of the methods that adapt a model: the parameters to train, and the seed of new weights."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from xrobust.contracts import Method, Task, keyed_random
from xrobust.engine.modules import is_below


def two_adapt(method: Method, other: Method) -> str | None:
    """Reason that an adapting method cannot be combined with another; None if the other changes no model."""
    if "adapt" not in other.stages():
        return None
    return f"each freezes what the other would train, and one alone can be saved: keep {method.info.name} or the other"


def rate_times(factor: float, task: Task) -> dict[str, Any]:
    """A learning rate of `factor` times that of the task's recipe, which is for full fine-tuning."""
    return {"learning_rate": float(f"{factor * task.recipe.learning_rate:.6g}")}


def train_only(model: Any, modules: Collection[str]) -> None:
    """Freezes all parameters but those of the modules named, and of what lies below them."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_below(name, modules))


def seed_of(seed: int, purpose: str) -> int:
    """The seed of the new weights that a method makes: a function of the run's seed and the purpose alone."""
    return keyed_random(seed, purpose).getrandbits(63)
