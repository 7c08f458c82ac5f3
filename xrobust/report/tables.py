"""Tables of text as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from xrobust.runtime.screen import printable

LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
"""Characters that a backslash in front does not make plain."""


@dataclass(frozen=True)
class Table:
    """A table of text, with a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown. Text is shown as it is: nothing in it is markup."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    body = [f"| {' | '.join(map(markdown_text, line) if i != 1 else line)} |" for i, line in enumerate(lines)]
    title = [f"**{markdown_text(table.title)}**", ""] if table.title else []
    return "\n".join([*title, *body]) + "\n"


def markdown_text(text: str) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]|<>#~$!&])", r"\\\1", printable(text))


def latex(table: Table) -> str:
    """A LaTeX table in the style of booktabs, by the Styler of pandas; text is escaped."""
    import pandas as pd

    frame = pd.DataFrame([list(map(printable, row)) for row in table.rows], columns=list(map(printable, table.columns)))
    styler = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    title = re.sub(r"[&%$#_{}~^\\]", lambda found: LATEX.get(found[0], f"\\{found[0]}"), printable(table.title))
    alignment = "l" + "r" * (len(table.columns) - 1)
    text = str(styler.to_latex(hrules=True, column_format=alignment, caption=title or None))
    return text.replace("<", r"\textless{}").replace(">", r"\textgreater{}")  # which print as other signs in OT1 fonts


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma-separated values, numbers as they are; None is an empty cell.

    Text is in one line; what a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_harmless, columns))
    for row in rows:
        writer.writerow(map(_harmless, row))
    return out.getvalue()


def _harmless(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
