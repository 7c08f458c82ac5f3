"""A command that has ended, as tests see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """Exit code and output of a command that has ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]
"""`xrobust <arguments>` in this process."""
