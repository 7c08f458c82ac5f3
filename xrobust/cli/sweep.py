"""`xrobust sweep`: runs an experiment, many runs as one thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xrobust.config.values import names
from xrobust.errors import UserError
from xrobust.runtime.screen import say

if TYPE_CHECKING:
    from xrobust.experiments.executor import Executor
    from xrobust.experiments.planned_cell import PlannedCell
    from xrobust.experiments.sweep_plan import SweepPlan


class Engine(StrEnum):
    """Engine that carries out the runs."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


def sweep_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file of the experiment: docs/experiments.md.")],
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", metavar="N", min=1, help="Runs at once on this machine. [default: one a GPU, or one]"
        ),
    ] = None,
    executor: Annotated[Engine, typer.Option(help="Engine that carries out the runs.")] = Engine.local,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs, which exist, and what they cost; nothing is written.")
    ] = False,
    log_with: Annotated[
        list[str] | None,
        typer.Option(
            "--log-with",
            metavar="TRACKERS",
            help="Log every run to tensorboard, mlflow, wandb, where the experiment is a group (xrobust[trackers]).",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do more than 1,000 runs.")] = False,
) -> int:
    """Run an experiment: tasks x methods x models x seeds, from one file.

    Runs that are complete stay as they are; the same command goes on after a stop. Examples:

    xrobust sweep experiment.yaml --dry-run

    xrobust sweep experiment.yaml --jobs 4

    xrobust compare experiment.yaml
    """
    from xrobust.experiments.sweep_plan import plan_sweep
    from xrobust.runtime.processes import launched

    if launched():
        raise UserError("xrobust sweep starts the processes of its runs itself: give it without torchrun")
    if jobs is not None and executor is not Engine.local:
        raise UserError(f"--jobs is for this machine: {executor.value} runs as many at once as it has room for")
    plan = plan_sweep(file, many=yes, log_with=names(log_with) or ())
    if dry_run:
        _describe(plan, jobs or 1)
        return 0
    return _carry_out(plan, executor, jobs, file)


def _carry_out(plan: SweepPlan, engine: Engine, jobs: int | None, file: Path) -> int:
    from xrobust.cli.sweep_view import make_view, summary
    from xrobust.experiments.sweep import Sweep

    for line in _changes(plan):
        say(line)
    view = make_view()
    sweep = Sweep(plan, partial(_executor, plan, engine, jobs), view)
    try:
        with view:
            complete = sweep.run()
    finally:
        for line in summary(sweep) if sweep.entries else ():
            view.say(line)
    if complete and len({planned.cell.method for planned in plan.cells}) > 1:
        view.say(f"compare the methods: xrobust compare {file}")
    return 0 if complete else 1


def _executor(plan: SweepPlan, engine: Engine, jobs: int | None) -> Executor:
    """The engine that carries out the runs. Raises UserError where it cannot be used."""
    if engine is Engine.ray:
        from xrobust.experiments.ray_executor import RayExecutor

        return RayExecutor(plan.experiment)
    if engine is Engine.slurm:
        from xrobust.experiments.slurm_executor import SlurmExecutor

        return SlurmExecutor(plan.experiment, plan.folder.path / "slurm")
    from xrobust.experiments.local_executor import LocalExecutor, local_places

    places = local_places(jobs, plan.experiment.processes)
    return LocalExecutor(places)


def _changes(plan: SweepPlan) -> Iterator[str]:
    """Lines on how the experiment differs from its last sweep."""
    for runs, what in zip(plan.changes(), ("new", "no longer asked for, and kept"), strict=True):
        if runs:
            more = f" and {len(runs) - 5} others" if len(runs) > 5 else ""
            yield f"{len(runs)} run{'s' * (len(runs) > 1)} {what}: {', '.join(runs[:5])}{more}"


def _describe(plan: SweepPlan, jobs: int) -> None:
    """Prints the runs by cell: how many there are, how many are finished, their steps and their seconds."""
    from xrobust.cli.table import print_table
    from xrobust.config.resolved_spec import MethodSpec
    from xrobust.experiments.cost import duration
    from xrobust.results.runs import method_labels

    rows, missing, unknown, seconds = [], 0, 0, 0.0
    cells = plan.settled_cells()
    labels = method_labels([[MethodSpec(**part) for part in planned.train["method"]] for planned, _ in cells])
    finished = [_finished(plan, settled) for _, settled in cells]  # before any cost is asked for
    for (planned, settled), done, label in zip(cells, finished, labels, strict=True):
        cell, total = planned.cell, len(planned.cell.seeds)
        expected = plan.costs.expected(plan.jobs_of(settled or planned)[0])
        missing += total - done
        if expected is None:
            unknown += total - done
        else:
            seconds += expected * (total - done)
        steps = "?" if planned.steps is None else str(planned.steps)
        cost = "?" if expected is None else duration(expected)
        rows.append([cell.task, label, _short(cell.model), _seeds(cell.seeds), f"{done} of {total}", steps, cost])
    print_table(["task", "method", "model", "seeds", "finished", "steps", "a run"], rows)
    for line in _changes(plan):
        say(line)
    for line in (*_trials(plan), *_failures(plan, [settled for _, settled in cells])):
        say(line)
    say(f"{missing} of {plan.runs} runs are missing{_cost(seconds, unknown, missing, jobs)}")
    say(f"runs in {plan.experiment.output}, specs and logs in {plan.folder.path}; nothing was written")


def _finished(plan: SweepPlan, settled: PlannedCell | None) -> int:
    return 0 if settled is None else sum(plan.is_finished(job, settled) for job in plan.jobs_of(settled))


def _seeds(seeds: tuple[int, ...]) -> str:
    """`1-5`, or `1,3,7`."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _short(model: str) -> str:
    """The name of a model's folder; a hub id as it is."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", ".", "~")) else model


def _trials(plan: SweepPlan) -> Iterator[str]:
    """A line on tuning: trials, and the cells whose settings are chosen."""
    if (tune := plan.experiment.tune) is not None:
        chosen = sum(tuning.chosen() is not None for tuning in plan.tunings)
        yield (
            f"tuning: {tune.trials} trials of {len(tune.seeds)} seed{'s' * (len(tune.seeds) > 1)} each for "
            f"{len(plan.tunings)} cells, on the source dev set; settings of {chosen} are chosen"
        )


def _failures(plan: SweepPlan, cells: Sequence[PlannedCell | None]) -> Iterator[str]:
    """A line for each run that failed the last time."""
    from xrobust.experiments.job_runner import read_status

    for job in (job for settled in cells if settled is not None for job in plan.jobs_of(settled)):
        status = read_status(job)
        if status.get("state") == "failed":
            yield f"failed last time: {job.name}: {status['attempts'][-1]['reason']} ({job.log})"


def _cost(seconds: float, unknown: int, missing: int, jobs: int) -> str:
    from xrobust.experiments.cost import duration

    if not missing:
        return ""
    if unknown == missing:
        return "; how long they take is known once one of them is done"
    rest = f", and {unknown} of unknown length" if unknown else ""
    return f": about {duration(seconds / jobs)} with {jobs} at once, as earlier runs took{rest}"
