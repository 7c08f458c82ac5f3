"""Formats of numbers for people: scores are shown times 100."""

from __future__ import annotations


def percent(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """A fraction of 1 times 100, with a sign where asked for; `-` where there is none."""
    if value is None:
        return "-"
    return f"{100 * value:+.{digits}f}" if signed else f"{100 * value:.{digits}f}"
