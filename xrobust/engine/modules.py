"""Modules and parameters of a model by their qualified names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def is_below(name: str, modules: Collection[str]) -> bool:
    """True if a qualified name is one of `modules` or lies inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def not_finite(parameters: Iterable[tuple[str, nn.Parameter]]) -> list[str]:
    """Names of the parameters that hold a NaN or an infinity."""
    # The sum comes first: it takes no memory, and nearly always settles it.
    return [name for name, p in parameters if not p.detach().sum().isfinite() and not p.detach().isfinite().all()]
