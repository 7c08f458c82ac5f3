"""`xrobust run`: train, score every language, write the result document."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xrobust.errors import UserError
from xrobust.settings import comma_separated, names, request_values, seeds

if TYPE_CHECKING:
    from xrobust.plan import Plan
    from xrobust.results.schema import RunResult
    from xrobust.spec import RunSpec
    from xrobust.transfer_pairs import TransferPlan

Task = Annotated[
    str | None, typer.Option("--task", "-t", metavar="TASK", help="Task plugin: see `xrobust list tasks`.")
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method", "-m", metavar="METHOD", help="Method plugin, or several joined with '+'. [default: vanilla]"
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Hub id, folder or name (xrobust list models) of an encoder. [default: bert-base-multilingual-cased]",
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder with data in the XTREME layout, or a name (xrobust list data). [default: the hub]",
    ),
]
Source = Annotated[
    str | None, typer.Option("--source", metavar="LANGUAGE", help="Language to train on. [default: the task's, en]")
]
Languages = Annotated[
    str | None,
    typer.Option(
        "--languages", "-l", metavar="LANGUAGES", help="Languages to score, as in de,fr,zh. [default: all there are]"
    ),
]
Perturb = Annotated[
    list[str] | None,
    typer.Option(
        "--perturb",
        metavar="NAMES",
        help="Score on perturbed text too, as in typos,casing: see `xrobust list perturbations`; parameters by --set "
        "perturb.typos.rate=0.2.",
    ),
]
Attack = Annotated[
    str | None,
    typer.Option(
        "--attack",
        metavar="NAME",
        help="Score under an attack on the embeddings too: pgd, at each radius of --set attack.epsilons=[0.01,0.03].",
    ),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--pairs",
        metavar="PAIRS",
        help="Score pairs of languages too, first text in one and second in the other: en:de,fr:zh, or all.",
    ),
]
TransferPairs = Annotated[
    str | None,
    typer.Option(
        "--transfer-pairs",
        metavar="SET",
        help="Train on source and on target of each pair, score on the target: manafi13, or pairs such as ar:hi,nl:af.",
    ),
]
Seeds = Annotated[
    str | None, typer.Option("--seeds", metavar="SEEDS", help="Seeds, one run each, as in 1,2,3. [default: 0]")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="Use the first N rows of every split: for quick tries.")
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="PRECISION", help="fp32, bf16 or fp16. [default: fp32]")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder that runs go to. [default: runs]")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="Any other setting: training.learning_rate=3e-5, method.epsilon=0.1, perturb.typos.rate=0.2; "
        "checkpoint_steps=500, checkpoint_minutes=5, micro_batch_size=8, gradient_checkpointing=true. Repeatable.",
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file with settings; flags win over it.")
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", "-p", metavar="NAME|FILE", help="Settings for a purpose: see `xrobust list presets`."),
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="Python file with a task, a method, a perturbation or an observer. Repeatable."
    ),
]
Processes = Annotated[
    int, typer.Option("--num-processes", metavar="N", min=1, help="Processes on this machine, one a GPU.")
]
Keep = Annotated[
    str | None,
    typer.Option("--keep-checkpoints", metavar="WHICH", help="After the run: none, best or all. [default: best]"),
]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")]
Force = Annotated[bool, typer.Option("--force", help="Do a run that is complete again; one that was stopped goes on.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved run and stop; nothing is written.")]


def run_command(
    task: Task = None,
    method: Method = None,
    model: Model = None,
    data_dir: DataDir = None,
    source: Source = None,
    languages: Languages = None,
    perturb: Perturb = None,
    attack: Attack = None,
    pairs: Pairs = None,
    transfer_pairs: TransferPairs = None,
    seeds_text: Seeds = None,
    limit: Limit = None,
    precision: PrecisionOption = None,
    output: Output = None,
    settings: Set = None,
    config: Config = None,
    preset: Preset = None,
    plugin: Plugin = None,
    num_processes: Processes = 1,
    keep_checkpoints: Keep = None,
    offline: Offline = False,
    force: Force = False,
    dry_run: DryRun = False,
) -> int:
    """Train a multilingual encoder on a task in one language and score it in every other.

    The same command goes on from where a stopped run was. Examples:

    xrobust run --task wikiann --method rs_aug

    xrobust run -t xnli -m rs_random+lora --seeds 1,2,3 -s training.epochs=3

    xrobust run -t wikiann -m rs_aug --perturb entity_swap,typos
    """
    from xrobust.spec import RunSpec

    flags = {
        "task": task,
        "method": method,
        "model": model,
        "data_dir": data_dir,
        "source": source,
        "languages": comma_separated(languages),
        "perturb": names(perturb),
        "attack": attack,
        "pairs": names(pairs),
        "limit": limit,
        "precision": precision,
        "output": output,
        "keep_checkpoints": keep_checkpoints,
        "plugins": plugin or None,
        "offline": offline or None,
        "force": force or None,
    }
    values = requested(config, settings, flags, preset)
    numbers = seeds(seeds_text)
    transfer = None
    if transfer_pairs is not None:
        from xrobust.transfer_pairs import plan_transfer

        transfer = plan_transfer(transfer_pairs, values, numbers or (int(values.get("seed", 0)),))
        requests = transfer.requests
    else:
        requests = [RunSpec.parse({**values, "seed": seed} if numbers else values) for seed in numbers or (0,)]
    if num_processes > 1:
        return _start_processes(requests, num_processes, dry_run)
    if transfer is not None:
        _check(requests)
    results = [result for request in requests if (result := _one(request, dry_run)) is not None]
    if transfer is not None and results:
        _report(transfer, results)
    return 0


def _check(requests: list[RunSpec]) -> None:
    """Raises UserError for the first of several different runs that cannot begin, before any of them is trained."""
    from xrobust.plan import prepare

    for request in requests:
        prepare(request)


def _report(transfer: TransferPlan, results: list[RunResult]) -> None:
    from xrobust.cli.transfer_table import print_report
    from xrobust.engine.processes import is_main
    from xrobust.transfer_pairs import write_report

    if is_main():
        report, path = write_report(transfer, results, transfer.requests[0].output)
        print_report(report)
        typer.echo(str(path))


def requested(
    config: Path | None, settings: list[str] | None, flags: Mapping[str, Any], preset: str | None
) -> dict[str, Any]:
    """The values of a request for a run. Raises UserError where it names no task."""
    values = request_values(config, settings or [], flags, preset)
    if "task" not in values:
        raise UserError("no task: give --task NAME (xrobust list tasks shows them) or a --config file with one")
    return values


def _start_processes(requests: list[RunSpec], number: int, dry_run: bool) -> int:
    """Checks the requests in this process, so that a mistake is one line, not one a process; then starts them."""
    from xrobust.engine.processes import launched, relaunch
    from xrobust.plan import prepare

    if launched():
        raise UserError("--num-processes inside a launcher: the launcher says how many processes there are")
    for request in requests:
        plan = prepare(request)
        if dry_run:
            _describe(plan)
    if dry_run:
        return 0
    sys.exit(relaunch(number, without_processes(sys.argv[1:])))  # the processes have said what there was to say


def without_processes(arguments: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--num-processes":
            skip = True
        elif not argument.startswith("--num-processes="):
            kept.append(argument)
    return kept


def _one(request: RunSpec, dry_run: bool) -> RunResult | None:
    """Carries out a run; None where it is only described."""
    from xrobust.cli.progress import Console, quiet_libraries
    from xrobust.engine.processes import is_main

    console = Console(enabled=is_main())
    with console.status(f"reading data and plugins for {request.task}"):
        quiet_libraries()
        from xrobust.pipeline import complete, execute
        from xrobust.plan import prepare

        plan = prepare(request)
    if dry_run:
        if is_main():
            _describe(plan)
        return None
    if (found := complete(plan)) is not None:
        console.say(f"run {plan.run_id} is already complete (--force does it again)")
        console.results(found, plan.folder)
        return found
    console.header(plan)
    with console:
        result = execute(plan, observers=[console])
    console.results(result, plan.folder)
    return result


def _describe(plan: Plan) -> None:
    """Prints the resolved run as YAML, which `--config` does not read back: it is what the document will hold."""
    import yaml

    from xrobust.data import data_folder
    from xrobust.engine.model_files import folder_of
    from xrobust.engine.train import total_steps

    model, data_dir = folder_of(plan.request.model), data_folder(plan.request.data_dir)

    described: dict[str, Any] = {
        "run_id": plan.run_id,
        "folder": str(plan.folder),
        "model_path": plan.request.model if model is None else str(model),
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "steps": total_steps(_training_examples(plan), plan.spec.train.training),
        "spec": plan.spec.model_dump(mode="json"),
    }
    typer.echo(yaml.safe_dump(described, sort_keys=False, allow_unicode=True).rstrip())


def _training_examples(plan: Plan) -> int:
    from xrobust.training import TrainingSet

    return TrainingSet(plan).count()
