"""What the methods that adapt a model share: which parameters train, and from which random numbers they start."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from xrobust.contracts import Method, keyed_random


def two_adapt(method: Method, other: Method) -> str | None:
    """Why an adapting method cannot be combined with another; None if the other changes no model."""
    if "adapt" not in other.stages():
        return None
    return f"each freezes what the other would train, and one alone can be saved: keep {method.info.name} or the other"


def train_only(model: Any, modules: Collection[str]) -> None:
    """Freezes all parameters but those of the modules named, and of what lies below them."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_below(name, modules))


def is_below(name: str, modules: Collection[str]) -> bool:
    """Whether a qualified name is one of `modules` or lies inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """New weights made inside depend on (seed, purpose) alone; torch's own generator goes on undisturbed after."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(keyed_random(seed, purpose).getrandbits(63))
        yield
