"""`xrobust eval`: more scores for a trained run, without training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xrobust.cli.options import Attack, Pairs, Perturb, Plugin
from xrobust.config.values import assign, comma_separated, names, parse_assignment
from xrobust.errors import UserError


def eval_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    languages: Annotated[
        str | None,
        typer.Option(
            "--languages", "-l", metavar="LANGUAGES", help="Languages to score, as in de,fr. [default: all there are]"
        ),
    ] = None,
    perturb: Perturb = None,
    attack: Attack = None,
    pairs: Pairs = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="A parameter of a perturbation or the attack: perturb.typos.rate=0.2, attack.steps=20; "
            "robustness.min_examples=10: fewest changed examples of a language that is in the means. Repeatable.",
        ),
    ] = None,
    plugin: Plugin = None,
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
    """Score a trained run on more: languages, pairs of them, perturbed text, an attack. Nothing is trained.

    Rows are added to the run's result document; what has its scores is not done again.
    """
    from xrobust.cli.options import without_processes
    from xrobust.cli.progress import Console
    from xrobust.config.run_spec import EvaluationRequest
    from xrobust.config.validation import validated
    from xrobust.results.store import load_result
    from xrobust.runtime.libraries import quiet_libraries
    from xrobust.runtime.processes import is_main, relaunch

    values: dict[str, Any] = {}
    for assignment in settings or []:
        key, value = parse_assignment(assignment)
        if key.partition(".")[0] not in ("perturb", "attack", "robustness"):
            raise UserError(f"--set {key}: an evaluation has the settings perturb.*, attack.* and robustness.* alone")
        assign(values, key, value)
    flags = {
        "languages": comma_separated(languages),
        "perturb": names(perturb),
        "attack": attack,
        "pairs": names(pairs),
    }
    values.update({key: value for key, value in flags.items() if value is not None})
    request = validated(EvaluationRequest, values, "")
    before = load_result(run)
    if num_processes > 1:
        sys.exit(relaunch(num_processes, without_processes(context.obj)))  # they have printed the results
    console = Console(enabled=is_main())
    quiet_libraries()
    from xrobust.evaluate_trained import evaluate

    with console:
        result = evaluate(
            run,
            request=request,
            data_dir=data_dir,
            plugin_files=plugin or (),
            offline=offline,
            observers=[console],
        )
    if (result.scores, result.data.perturbed, result.summary) == (before.scores, before.data.perturbed, before.summary):
        console.say("nothing to do: all of this has its scores")
    console.results(result, run if run.is_dir() else run.parent)
    return 0
