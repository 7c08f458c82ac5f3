"""Tables for people: drawn with rich on a terminal, plain aligned lines elsewhere. Nothing is ever cut off."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from xrobust.runtime.screen import say_lines, visible


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Prints `rows` under the names of `columns`."""
    if sys.stdout is not None and sys.stdout.isatty():
        _draw(title, columns, rows)
        return
    shown = [[visible(cell) for cell in row] for row in (columns, *rows)]
    say_lines("\n".join(plain_table(shown[0], shown[1:], visible(title))))


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> list[str]:
    """The lines of a table without any drawing: each column as wide as its widest cell, two spaces between."""
    cells = [columns, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [title, *lines] if title else lines


def _draw(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(visible(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for i, column in enumerate(columns):
        # A name must stay in one piece to be copied; prose, which comes last, may wrap.
        table.add_column(Text(visible(column)), overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))  # Text: square brackets are no markup here
    Console().print(table)
