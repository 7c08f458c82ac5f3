"""`xrobust predict`: a trained run's labels for a user's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def predict_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Text: one example a line, columns with tabs (sentence1 TAB sentence2 for a pair task); for tagging "
            "one token a line, an empty line after each sentence.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. [default: standard output]")
    ] = None,
) -> None:
    """Label a file of text. The output has the file's rows with the predicted label (and its probability) added."""
    from xrobust.cli.progress import quiet_libraries

    quiet_libraries()
    from xrobust.prediction import predict_file
    from xrobust.results.store import write_atomically

    lines = predict_file(run, file)
    if output is None:
        for line in lines:
            typer.echo(line)
    else:
        write_atomically(output, lambda handle: handle.write(("\n".join(lines) + "\n").encode()))
