"""`xrobust predict`: a trained run's labels for a user's own text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from xrobust.errors import UserError


def predict_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Text: one example a line, columns with tabs (sentence1 TAB sentence2 for a pair task); for tagging "
            "one token a line, an empty line after each sentence. A column of labels may be there, and is ignored.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. [default: standard output]")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
) -> None:
    """Label a file of text. The output has the file's rows with the predicted label (and its probability) added."""
    if output is not None:
        _check_writable(output)
    from xrobust.runtime.libraries import quiet_libraries

    quiet_libraries()
    from xrobust.predict import predict_file
    from xrobust.storage.atomic import write_atomically

    lines = predict_file(run, file, offline=offline)
    if output is None:
        for line in lines:
            typer.echo(line)
    else:
        write_atomically(output, lambda handle: handle.write(("\n".join(lines) + "\n").encode()))


def _check_writable(output: Path) -> None:
    """Raises UserError where the file cannot be written: before the model is loaded, not after its work."""
    if output.is_dir():
        raise UserError(f"--output {output} is a folder: name a file in it")
    if not output.parent.is_dir():
        raise UserError(f"--output {output}: there is no folder {output.parent}; make it first, or choose another")
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"--output {output}: the folder {output.parent} may not be written to; choose another")
