"""`xrobust data`: what a run needs, brought onto this machine or made from something else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xrobust.cli.run import Config, DataDir, Languages, Method, Model, Plugin, Preset, Set, Source, Task, requested
from xrobust.settings import comma_separated

data_app = typer.Typer(
    help="Data and models on this machine.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@data_app.command("fetch")
def fetch_command(
    task: Task = None,
    method: Method = None,
    model: Model = None,
    data_dir: DataDir = None,
    source: Source = None,
    languages: Languages = None,
    settings: Set = None,
    config: Config = None,
    preset: Preset = None,
    plugin: Plugin = None,
) -> None:
    """Download what a run needs: `xrobust run --offline` with the same arguments then asks no network.

    Data of the task, the encoder with its tokenizer, and the files of the method go into the caches that runs read.

    xrobust data fetch --task xnli --model xlm-roberta-base
    """
    from xrobust.cli.progress import quiet_libraries
    from xrobust.spec import RunSpec

    flags = {
        "task": task,
        "method": method,
        "model": model,
        "data_dir": data_dir,
        "source": source,
        "languages": comma_separated(languages),
        "plugins": plugin or None,
    }
    request = RunSpec.parse(requested(config, settings, flags, preset))
    quiet_libraries()
    from xrobust.fetch import fetch

    for line in fetch(request):
        typer.echo(line)


@data_app.command("wikititle")
def wikititle_command(
    dump: Annotated[
        Path,
        typer.Argument(
            metavar="DUMP",
            help='Pages as JSON lines: {"title": ..., "sections": [{"title": ..., "text": ...}, ...]}.',
        ),
    ],
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Language of the pages.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to: DATA_DIR/wikititle.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the splits and of the choices.")] = 0,
) -> None:
    """Make the files of task wikititle from a dump of pages, by the published rules.

    xrobust data wikititle pages-af.jsonl --language af --output data/wikititle
    """
    from xrobust.data.wikititle import SPLITS, convert

    counts = convert(dump, language, output, seed)
    typer.echo(
        f"{counts.pages} pages, {counts.usable_pages} of them usable; "
        f"{counts.duplicates} sections left out as duplicates"
    )
    for split in SPLITS:
        typer.echo(f"{output / f'{split}-{language}.tsv'}: {counts.examples[split]} examples")
