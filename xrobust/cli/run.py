"""`xrobust run`: train, score every language, write the result document."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from xrobust.cli.options import (
    Attack,
    Config,
    DataDir,
    DryRun,
    Force,
    Keep,
    Languages,
    Limit,
    LogWith,
    Method,
    Model,
    Offline,
    Output,
    Pairs,
    Perturb,
    Plugin,
    PrecisionOption,
    Preset,
    Processes,
    Seeds,
    Set,
    Source,
    Task,
    TransferPairs,
    requested,
    without_processes,
)
from xrobust.config.values import comma_separated, names, seeds
from xrobust.errors import NotAllScored, UserError
from xrobust.runtime.screen import say, say_lines

if TYPE_CHECKING:
    from xrobust.config.run_spec import RunSpec
    from xrobust.experiments.transfer_pairs import TransferPlan
    from xrobust.plan import RunPlan
    from xrobust.results.schema import RunResult


def run_command(
    context: typer.Context,
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
    log_with: LogWith = None,
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
    from xrobust.config.run_spec import RunSpec

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
        "log_with": names(log_with),
        "plugins": plugin or None,
        "offline": offline or None,
        "force": force or None,
    }
    values = requested(config, settings, flags, preset)
    numbers = seeds(seeds_text)
    transfer = None
    if transfer_pairs is not None:
        from xrobust.experiments.transfer_pairs import plan_transfer

        transfer = plan_transfer(transfer_pairs, values, numbers or (int(values.get("seed", 0)),))
        requests = transfer.requests
    else:
        requests = [RunSpec.parse({**values, "seed": seed} if numbers else values) for seed in numbers or (0,)]
    if num_processes > 1:
        return _start_processes(requests, num_processes, dry_run, context.obj)
    if transfer is not None:
        _check(requests)
    results, failed = _all(requests, dry_run)
    if failed is not None:
        raise failed
    if transfer is not None and results:
        _report(transfer, results)
    return 0


def _all(requests: list[RunSpec], dry_run: bool) -> tuple[list[RunResult], NotAllScored | None]:
    """Carries out the runs one after another; their results, and the error of the first that lacks scores."""
    results, failed = [], None
    for request in requests:
        try:
            result = _one(request, dry_run)
        except NotAllScored as error:
            failed = failed or error
            continue
        if result is not None:
            results.append(result)
    return results, failed


def _check(requests: list[RunSpec]) -> None:
    """Raises UserError or PluginError for the first of several different runs that cannot begin, before any of them is
    trained."""
    from xrobust.pipeline import require_ready
    from xrobust.plan import make_plan

    for request in requests:
        require_ready(make_plan(request))


def _report(transfer: TransferPlan, results: list[RunResult]) -> None:
    from xrobust.cli.transfer_table import print_report
    from xrobust.experiments.transfer_report import write_report
    from xrobust.runtime.processes import is_main

    if is_main():
        report, path = write_report(transfer, results, transfer.requests[0].output)
        print_report(report)
        say(str(path))


def _start_processes(requests: list[RunSpec], number: int, dry_run: bool, arguments: Sequence[str]) -> int:
    """Checks the requests in this process, so that a mistake is one line, not one a process; then starts them.

    `arguments` are those of this command: each process runs it without its `--num-processes`.
    """
    from xrobust.pipeline import require_ready
    from xrobust.plan import make_plan
    from xrobust.runtime.processes import launched, relaunch

    if launched():
        raise UserError("--num-processes inside a launcher: the launcher says how many processes there are")
    for request in requests:
        plan = make_plan(request)
        require_ready(plan)
        if dry_run:
            _describe(plan)
    if dry_run:
        return 0
    sys.exit(relaunch(number, without_processes(arguments)))  # the processes have said what there was to say


def _one(request: RunSpec, dry_run: bool) -> RunResult | None:
    """Carries out a run; None where it is only described."""
    from xrobust.cli.progress import Console
    from xrobust.runtime.libraries import quiet_libraries
    from xrobust.runtime.processes import is_main

    console = Console(enabled=is_main())
    with console.status(f"reading data and plugins for {request.task}"):
        quiet_libraries()
        from xrobust.pipeline import execute, finished_result, require_ready
        from xrobust.plan import make_plan
        from xrobust.results.plugin_changes import plugin_changes
        from xrobust.runtime.progress_file import progress_observers

        plan = make_plan(request)
    if dry_run:
        require_ready(plan)
        if is_main():
            _describe(plan)
        return None
    if (found := finished_result(plan)) is not None:
        console.say(f"run {plan.run_id} is already complete (--force does it again)")
        for change in plugin_changes(found, plan.plugins):
            console.say(f"warning: {change}")
        console.results(found, plan.folder)
        return found
    console.header(plan)
    with console:
        result = execute(plan, observers=[console, *progress_observers()])
    console.results(result, plan.folder)
    return result


def _describe(plan: RunPlan) -> None:
    """Prints the resolved run as YAML, which `--config` does not read back: it is what the document will hold."""
    import yaml

    from xrobust.data.sources import data_folder
    from xrobust.models.files import folder_of
    from xrobust.training.job import total_steps

    model, data_dir = folder_of(plan.request.model), data_folder(plan.request.data_dir)

    described: dict[str, Any] = {
        "run_id": plan.run_id,
        "folder": str(plan.folder),
        "model_path": plan.request.model if model is None else str(model),
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "steps": total_steps(_training_examples(plan), plan.spec.train.training),
        "spec": plan.spec.model_dump(mode="json"),
    }
    say_lines(yaml.safe_dump(described, sort_keys=False, allow_unicode=True).rstrip())


def _training_examples(plan: RunPlan) -> int:
    from xrobust.pipeline import training_inputs
    from xrobust.training.training_set import TrainingSet

    return TrainingSet(training_inputs(plan)).count()
