"""`xrobust data fetch`: everything a run needs, onto this machine, for later runs without a network."""

from __future__ import annotations

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
