"""`xrobust data fetch`: everything a run needs, onto this machine, for later runs without a network."""

from __future__ import annotations

from typing import Annotated

import typer

from xrobust.settings import comma_separated

data_app = typer.Typer(
    help="Data and models on this machine.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@data_app.command("fetch")
def fetch_command(
    task: Annotated[str, typer.Option("--task", "-t", metavar="TASK", help="Task whose data to fetch.")],
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Hub id of an encoder.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", metavar="METHOD", help="Method whose files to fetch too.")
    ] = None,
    languages: Annotated[
        str | None,
        typer.Option("--languages", "-l", metavar="LANGUAGES", help="Languages to score. [default: all there are]"),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="LANGUAGE", help="Language to train on. [default: the task's, en]")
    ] = None,
) -> None:
    """Download what a run needs: `xrobust run --offline` with the same names then asks no network.

    Data of the task, an encoder with its tokenizer, and the files of a method go into the caches that runs read.
    """
    from xrobust.cli.progress import quiet_libraries

    quiet_libraries()
    from xrobust.fetch import fetch

    for line in fetch(task, model=model, method=method, languages=comma_separated(languages), source=source):
        typer.echo(line)
