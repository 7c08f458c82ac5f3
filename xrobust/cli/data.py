"""`xrobust data`: fetches the files that a run needs, or makes a task's files from a dump."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xrobust.cli.options import Config, DataDir, Languages, Method, Model, Plugin, Preset, Set, Source, Task, requested
from xrobust.config.values import comma_separated
from xrobust.runtime.screen import say

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
    from xrobust.config.run_spec import RunSpec
    from xrobust.runtime.libraries import quiet_libraries

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
        say(line)


@data_app.command("convert")
def convert_command(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Task plugin that makes files of a dump: wikititle.")],
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="What to make them of, as the task describes it.")],
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Language of the data.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write to: DATA_DIR/TASK.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Seed of whatever is drawn.")] = 0,
    plugin: Plugin = None,
) -> None:
    """Make a task's files from a dump, by the task's published rules.

    For wikititle, pages as JSON lines: {"title": ..., "sections": [{"title": ..., "text": ...}, ...]}.

    xrobust data convert wikititle pages-af.jsonl --language af --output data/wikititle
    """
    from xrobust.contracts.calling import calling
    from xrobust.registry.plugins import Plugins

    converter = Plugins(plugin or ()).task(task)
    with calling(converter, "convert"):
        lines = list(converter.convert(dump, language, output, seed))
    for line in lines:
        say(line)
