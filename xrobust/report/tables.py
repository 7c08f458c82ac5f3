"""Tables of text as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of text, with a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown. Text is shown as it is: nothing in it is markup."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    body = [f"| {' | '.join(map(_plain_markdown, line) if i != 1 else line)} |" for i, line in enumerate(lines)]
    title = [f"**{_plain_markdown(table.title)}**", ""] if table.title else []
    return "\n".join([*title, *body]) + "\n"


def _plain_markdown(text: str) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]|<>#~$!&])", r"\\\1", " ".join(text.split()))


def latex(table: Table) -> str:
    """A LaTeX table in the style of booktabs, by the Styler of pandas; text is escaped."""
    import pandas as pd

    frame = pd.DataFrame([list(row) for row in table.rows], columns=list(table.columns))
    styler = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    caption = re.sub(r"([&%$#_{}])", r"\\\1", table.title) or None
    alignment = "l" + "r" * (len(table.columns) - 1)
    return str(styler.to_latex(hrules=True, column_format=alignment, caption=caption))


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma-separated values, numbers as they are; None is an empty cell.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(map(_harmless, row))
    return out.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell
