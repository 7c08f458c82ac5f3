"""Qualified names of a model's modules."""

from __future__ import annotations

from collections.abc import Collection


def is_below(name: str, modules: Collection[str]) -> bool:
    """True if a qualified name is one of `modules` or lies inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)
