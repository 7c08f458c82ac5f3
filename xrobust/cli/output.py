"""Output of commands in several forms: tables for people, Markdown, LaTeX, CSV, JSON; printed, or written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xrobust.errors import UserError, cut
from xrobust.runtime.screen import printable, write_data

if TYPE_CHECKING:
    from xrobust.report.tables import Table


class Format(StrEnum):
    """Form of the output."""

    table = "table"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="Form of the output.")]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. [default: standard output]")
]


def tables_text(tables: Sequence[Table], form: Format) -> str:
    """Tables as plain text, Markdown or LaTeX."""
    from xrobust.cli.table import plain_table
    from xrobust.report.tables import latex, markdown

    if form is Format.latex:
        return "\n".join(map(latex, tables))
    if form is Format.markdown:
        return "\n".join(map(markdown, tables))
    plain = [
        plain_table(
            [printable(cell) for cell in table.columns],
            [[printable(cell) for cell in row] for row in table.rows],
            printable(table.title),
        )
        for table in tables
    ]
    return "\n".join("\n".join(lines) + "\n" for lines in plain)


def remarks_text(remarks: Sequence[str], form: Format) -> str:
    """Remarks below tables, a line each: a list in Markdown, comments in LaTeX."""
    from xrobust.report.tables import markdown_text

    if form is Format.markdown:
        return "".join(f"- {markdown_text(line)}\n" for line in remarks)
    mark = "% " if form is Format.latex else ""
    return "".join(f"{mark}{printable(line)}\n" for line in remarks)


def write_or_print(text: str, output: Path | None) -> None:
    """Writes a text to a file, or prints it. Raises UserError where the file cannot be written."""
    if output is None:
        write_data(text if text.endswith("\n") else f"{text}\n")
        return
    from xrobust.storage.atomic import write_atomically

    require_writable(output)
    write_atomically(output, lambda file: file.write(text.encode()), through=True)


def require_writable(output: Path, read: Sequence[Path] = ()) -> None:
    """Raises UserError where the file cannot be written: to be called before the work, not after it.

    `read` are the files that are still read while it is written: it may be none of them, through links neither. No
    part of a run is written over.
    """
    import os

    from xrobust.storage.regular_file import descriptor, kind, unusable

    if (problem := unusable(str(output))) is not None:
        raise UserError(f"--output {cut(printable(str(output)))}: no name of a file: {problem}")
    what = kind(output)
    if what == "a folder":
        raise UserError(f"--output {output} is a folder: name a file in it")
    for file in read:
        if output.exists() and file.exists() and what is None and output.samefile(file):
            raise UserError(f"--output {output} is the file that is read, {file}: name another")
    if what is not None or descriptor(output) is not None:  # written to directly
        if descriptor(output) is None and not os.access(output, os.W_OK):
            raise UserError(f"--output {output} may not be written to; choose another")
        return
    _require_no_part_of_a_run(output)
    folder = Path(os.path.realpath(output)).parent if output.is_symlink() else output.parent
    if not folder.is_dir():
        raise UserError(f"--output {output}: there is no folder {folder}; make it first, or choose another")
    if not os.access(folder, os.W_OK):
        raise UserError(f"--output {output}: the folder {folder} may not be written to; choose another")


def _require_no_part_of_a_run(output: Path) -> None:
    """Raises UserError for the document of a run, and for a place in a folder that xrobust writes for a run."""
    import os

    from xrobust.results.store import CHECKPOINTS, LOG, MODEL, PREDICTIONS, RESULT

    place = Path(os.path.realpath(output))
    for folder in place.parents:
        part = place.relative_to(folder).parts[0]
        if part in (RESULT, LOG, MODEL, PREDICTIONS, CHECKPOINTS) and (folder / RESULT).is_file():
            raise UserError(f"--output {output} is a part of the run in {folder}: name a file elsewhere")
