"""`xrobust eval`: more languages for a trained run, without training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xrobust.settings import comma_separated


def eval_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    languages: Annotated[
        str | None,
        typer.Option(
            "--languages", "-l", metavar="LANGUAGES", help="Languages to score, as in de,fr. [default: all there are]"
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir",
            metavar="FOLDER",
            help="Folder with the test data, or a name (xrobust list data). [default: where the run's data lay]",
        ),
    ] = None,
    num_processes: Annotated[
        int, typer.Option("--num-processes", metavar="N", min=1, help="Processes on this machine.")
    ] = 1,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
) -> int:
    """Score a trained run in more languages; rows are added to its result document."""
    from xrobust.cli.progress import Console, quiet_libraries
    from xrobust.cli.run import without_processes
    from xrobust.engine.processes import is_main, relaunch
    from xrobust.results.store import load_result

    before = load_result(run)
    if num_processes > 1:
        sys.exit(relaunch(num_processes, without_processes(sys.argv[1:])))  # which have said what there was to say
    console = Console(enabled=is_main())
    quiet_libraries()
    from xrobust.pipeline import evaluate

    with console:
        result = evaluate(run, comma_separated(languages), data_dir=data_dir, offline=offline, observers=[console])
    if result.scores == before.scores:
        console.say("nothing to do: every one of these languages has its scores")
    console.results(result, run if run.is_dir() else run.parent)
    return 0
