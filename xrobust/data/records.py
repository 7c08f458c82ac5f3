"""Records: the lines of a file, and the example that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """Some lines of a file, and the example that they hold."""

    lines: list[str]
    """Of a table the text columns of each line, a line of blanks being empty; of a treebank the lines as they are."""
    number: int
    """Number of the first line, counted from 1."""
    row: dict[str, Any] | None
    """The example in canonical columns, without an id; None for lines that hold none."""
    words: Sequence[int] = ()
    """Of a treebank, the index of each word's line among `lines`."""
