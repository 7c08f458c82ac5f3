"""`xrobust predict`: a trained run's labels for a user's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xrobust.cli.counted import Counted
from xrobust.cli.options import Plugin
from xrobust.cli.output import require_writable
from xrobust.runtime.screen import write_data


def predict_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Text: one example a line, columns with tabs (sentence1 TAB sentence2 for a pair task); for tagging "
            "one token a line, an empty line after each sentence. A column of labels may be there, and is ignored. It "
            "may be compressed (.gz, .bz2, .xz, .zst).",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write. [default: standard output]")
    ] = None,
    plugin: Plugin = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
) -> None:
    """Label a file of text. The output has a line for each line of it: its text, the label and its probability."""
    if output is not None:
        require_writable(output, [file])
    from xrobust.runtime.libraries import quiet_libraries

    quiet_libraries()
    from xrobust.predict import predict_file
    from xrobust.storage.atomic import atomic_file, writing

    with Counted("lines") as counted:
        lines = predict_file(
            run, file, plugin_files=plugin or (), offline=offline, progress=counted.update, note=counted.say
        )
        if output is None:
            for line in lines:
                write_data(f"{line}\n")
            return
        with atomic_file(output, through=True) as handle:
            for line in lines:
                with writing(output):
                    handle.write(f"{line}\n".encode())
