"""The plan of a sweep: an experiment's runs and tunings, checked; which runs are finished, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xrobust.errors import UserError, did_you_mean
from xrobust.experiments.cells import MOST_RUNS, expand
from xrobust.experiments.check_space import check_space
from xrobust.experiments.cost import Costs
from xrobust.experiments.experiment_file import Experiment, read_experiment
from xrobust.experiments.folder import ExperimentFolder
from xrobust.experiments.job import Job
from xrobust.experiments.job_runner import is_marked_finished, read_status
from xrobust.experiments.matched_steps import match_steps
from xrobust.experiments.planned_cell import PlannedCell, plan_cell
from xrobust.experiments.search_space import Dimension, parse_space, takes_whole_numbers
from xrobust.experiments.tuning import CellTuning, require_optuna
from xrobust.results.experiment_index import ExperimentIndex, ExperimentRun, load_index, output_of


@dataclass(frozen=True)
class SweepPlan:
    """A checked experiment."""

    experiment: Experiment
    folder: ExperimentFolder
    cells: list[PlannedCell]
    """The cells that have runs, in the order of the file."""
    tunings: list[CellTuning]
    """One for each cell, where the experiment tunes."""
    before: ExperimentIndex | None
    """The index of an earlier sweep."""
    costs: Costs = field(default_factory=Costs)

    @property
    def several_models(self) -> bool:
        """True if names of runs have to say the model."""
        return len({planned.cell.model for planned in self.cells}) > 1

    @property
    def runs(self) -> int:
        """Number of runs, trials not counted."""
        return sum(len(planned.cell.seeds) for planned in self.cells)

    @property
    def trials(self) -> int:
        """Number of runs that are trials of tuning."""
        tune = self.experiment.tune
        return 0 if tune is None else len(self.tunings) * tune.trials * len(tune.seeds)

    def jobs_of(self, planned: PlannedCell) -> list[Job]:
        """The jobs of a cell, a seed each."""
        model = planned.cell.model if self.several_models else None
        return [self.folder.job(planned, seed, self.experiment, model=model) for seed in planned.cell.seeds]

    def settled_cells(self) -> list[tuple[PlannedCell, PlannedCell | None]]:
        """Each cell with the cell whose runs are asked for: itself, or that with tuned settings; None while they are
        searched."""
        if not self.tunings:
            return [(planned, planned) for planned in self.cells]
        return [
            (tuning.planned, None if (record := tuning.chosen()) is None else tuning.final(record))
            for tuning in self.tunings
        ]

    def index(self) -> ExperimentIndex:
        """The index of the experiment as far as its runs are known."""
        baseline = self.experiment.budget.of if self.experiment.budget else self.experiment.methods[0]["method"]
        runs: list[ExperimentRun] = []
        for planned, settled in self.settled_cells():
            if settled is None:
                cell = planned.cell
                runs += [
                    ExperimentRun(
                        name=f"{cell.task}-{cell.method}-seed{seed}",
                        task=cell.task,
                        method=cell.method,
                        model=cell.model,
                        seed=seed,
                    )
                    for seed in cell.seeds
                ]
            else:
                runs += [self._run(job) for job in self.jobs_of(settled)]
        return ExperimentIndex(name=self.experiment.name, baseline=baseline, runs=tuple(runs))

    def _run(self, job: Job) -> ExperimentRun:
        return ExperimentRun(
            name=job.name,
            task=job.task,
            method=job.method,
            model=job.model,
            seed=job.seed,
            spec=job.spec.relative_to(self.folder.path).as_posix(),
            run_id=job.run_id,
            folder=job.folder.relative_to(output_of(self.folder.path)).as_posix(),
        )

    def is_finished(self, job: Job, planned: PlannedCell) -> bool:
        """True if the run of a job is complete with all that is asked for."""
        status = read_status(job)
        self.costs.note_status(job, status)
        if is_marked_finished(job, status):
            return True
        try:
            return planned.finished(job.seed) is not None
        except UserError:  # a damaged document: the run itself says what is to be done
            return False

    def changes(self) -> tuple[list[str], list[str]]:
        """Names of the runs that an earlier sweep did not have, and of those that are not asked for any more."""
        if self.before is None:
            return [], []
        now = {run.folder: run.name for run in self.index().runs if run.folder is not None}
        then = {run.folder: run.name for run in self.before.runs if run.folder is not None}
        new = [name for folder, name in now.items() if folder not in then]
        gone = [name for folder, name in then.items() if folder not in now]
        return new, gone


def plan_sweep(file: Path, *, many: bool = False, log_with: Sequence[str] = ()) -> SweepPlan:
    """Reads, expands and checks the experiment in a file; writes nothing. `log_with` are trackers for all runs.

    Raises UserError for every mistake in it; for more than 1,000 runs unless `many`.
    """
    experiment = read_experiment(file)
    if log_with:
        experiment = experiment.model_copy(update={"base": {**experiment.base, "log_with": list(log_with)}})
    try:
        return _plan(experiment, many)
    except UserError as error:
        raise UserError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error


def _plan(experiment: Experiment, many: bool) -> SweepPlan:
    _require_folder(experiment.output)
    space = [] if experiment.tune is None else parse_space(experiment.tune.space)
    cells = expand(experiment)
    _require_few(experiment, sum(len(cell.seeds) for cell in cells), sum(bool(cell.seeds) for cell in cells), many)
    if experiment.budget is not None:
        cells = match_steps(cells, experiment.budget)
    planned = [plan_cell(cell) for cell in cells if cell.seeds]
    folder = ExperimentFolder.of(experiment)
    tunings: list[CellTuning] = []
    if experiment.tune is not None:
        require_optuna()
        _require_settings(planned, space)
        check_space(planned, space)
        tunings = [CellTuning(one, experiment.tune, space, folder, experiment) for one in planned]
    plan = SweepPlan(experiment, folder, planned, tunings, load_index(folder.path))
    _require_different(plan)
    return plan


def _require_folder(output: Path) -> None:
    """Raises UserError where the output is no folder, and none can be made there."""
    there = next(path for path in (output, *output.parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"output {output}: {there} is no folder: name another")


def _require_few(experiment: Experiment, runs: int, cells: int, many: bool) -> None:
    """Raises UserError for a grid of more runs than anyone types by mistake."""
    tune = experiment.tune
    trials = 0 if tune is None else cells * tune.trials * len(tune.seeds)
    if runs + trials > MOST_RUNS and not many:
        what = f"{runs} runs and {trials} trials" if trials else f"{runs} runs"
        raise UserError(f"experiment {experiment.name} has {what}: give --yes if it is meant to have that many")


def _require_settings(cells: Sequence[PlannedCell], space: Sequence[Dimension]) -> None:
    """Raises UserError for a setting of the space that none of the methods has."""
    for dimension in space:
        if all(takes_whole_numbers(planned.parameters, dimension.setting) is None for planned in cells):
            known = {f"method.{name}" for planned in cells for names in planned.parameters.values() for name in names}
            hint = did_you_mean(dimension.setting, known) if known else "none of them has any"
            raise UserError(f"tune.space: no method has the parameter {dimension.setting!r}: {hint}")


def _require_different(plan: SweepPlan) -> None:
    """Raises UserError for two entries of the grid that are one run."""
    ids = Counter(planned.run_id(0) for planned in plan.cells)
    for planned in plan.cells:
        if ids[planned.run_id(0)] > 1:
            raise UserError(f"{planned.cell.place}: two entries of the file are this one run: name it once")
