"""`xrobust leaderboard export`: entries of a leaderboard in the formats that others read."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, Annotated

import typer

from xrobust.errors import UserError
from xrobust.runtime.screen import say


class ExportFormat(StrEnum):
    """Format of the files."""

    every_eval_ever = "every_eval_ever"
    model_card = "model-card"


def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A leaderboard document.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to; a new or an empty one.")
    ],
    to: Annotated[
        ExportFormat,
        typer.Option(
            help="every_eval_ever: a JSON record for each entry; model-card: the model-index of a model's README.md, "
            "and .eval_results where the data are the hub's."
        ),
    ],
    entry: Annotated[
        list[str] | None, typer.Option("--entry", metavar="ID", help="Export this entry alone; may be repeated.")
    ] = None,
    organization: Annotated[
        str, typer.Option(metavar="NAME", help="Who publishes the scores, for every_eval_ever.")
    ] = "unknown",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files; replace some.")] = False,
) -> None:
    """Write entries in the formats of other places: records of Every Eval Ever, or cards of the Hugging Face hub."""
    from xrobust.report.every_eval_ever import every_eval_ever_files
    from xrobust.report.export_facts import chosen
    from xrobust.report.model_card import model_card_files
    from xrobust.results.leaderboard import load_leaderboard

    _require_folder(output, force)
    board = load_leaderboard(file)
    entries = chosen(board, entry or [])
    if to is ExportFormat.every_eval_ever:
        files = every_eval_ever_files(board, entries, organization)
    else:
        files = model_card_files(entries)
    _write(files, output)
    say(f"{output}: {len(files)} files of {len(entries)} entries")


def _require_folder(output: Path, force: bool) -> None:
    """Raises UserError where the folder is a file, or has files that others may have written."""
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output} is a file: name a folder")
    if output.is_dir() and any(output.iterdir()) and not force:
        raise UserError(f"--output {output} is not empty: name another folder, or add --force to replace files in it")


def _write(files: dict[Path, str], output: Path) -> None:
    from xrobust.storage.atomic import write_atomically, writing

    for name, text in files.items():
        path = output / name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, partial(_put, text.encode()))


def _put(content: bytes, handle: IO[bytes]) -> None:
    handle.write(content)
