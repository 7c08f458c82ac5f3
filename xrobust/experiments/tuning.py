"""Tuning of one cell: trials that Optuna samples, scored on the source dev set, and the settings that were best."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from xrobust.errors import RunError, UserError
from xrobust.experiments.experiment_file import Experiment, Tune
from xrobust.experiments.folder import ExperimentFolder
from xrobust.experiments.job import Job, State, readable
from xrobust.experiments.planned_cell import PlannedCell, plan_cell
from xrobust.experiments.search_space import Dimension, dimensions_of, with_settings
from xrobust.results.store import load_result
from xrobust.storage.atomic import write_atomically
from xrobust.storage.hashing import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

NO_SCORES = ("perturb", "perturb_params", "attack", "attack_params", "pairs", "robustness", "log_with")
"""Settings of a run that its trials do without."""
States = Callable[[str], "State | None"]
"""The state of a job by its name; None while it has not ended."""


class CellTuning:
    """The search for the best settings of one task, method and model, in a study of Optuna on the disk.

    The values of a trial depend on the seed of the search, the trial's number, and, once a part of them is done, on the
    scores before it. Several sweeps may work on one study.
    """

    def __init__(
        self,
        planned: PlannedCell,
        tune: Tune,
        space: Sequence[Dimension],
        folder: ExperimentFolder,
        experiment: Experiment,
    ) -> None:
        self.planned = planned
        self._tune = tune
        self._experiment = experiment
        self._space = dimensions_of(planned.parameters, space)
        cell = planned.cell
        key = hashlib.sha256(canonical_json(self._identity()).encode()).hexdigest()
        self.folder = folder.tuning(f"{readable(cell.task, cell.method)}-{key[:8]}")
        self._key = key
        self._trials: dict[int, list[tuple[Job, PlannedCell]]] = {}
        self._handed_out: set[str] = set()
        self._final: PlannedCell | None = None

    @property
    def startup(self) -> int:
        """Trials that are sampled at random, before the sampler goes by their scores: half of them."""
        return max(1, self._tune.trials // 2)

    @property
    def sampler(self) -> str:
        """Name of the sampler."""
        return "random" if all(dimension.is_point for dimension in self._space) else "tpe"

    def chosen(self) -> dict[str, Any] | None:
        """The record of the search, with the settings that were chosen; None while it goes on."""
        try:
            found = json.loads(self._record.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def advance(self, state: States) -> list[tuple[Job, PlannedCell]]:
        """Takes in the scores of trials that have ended; returns jobs that may begin now, each once.

        After the last trial the settings are chosen and written down. Raises RunError where no trial has a score,
        UserError where a trial cannot be planned.
        """
        if self.chosen() is not None:
            return []
        with self._locked():
            study = self._study()
            open_trials = self._take_in(study, state)
            while len(study.trials) < self._tune.trials and (len(study.trials) < self.startup or not open_trials):
                self._ask()
                study = self._study()
                open_trials = self._take_in(study, state)  # its values may be those of a trial that has ended
            new = [item for trial in study.trials for item in self._jobs(trial) if item[0].name not in self._handed_out]
            self._handed_out.update(job.name for job, _ in new)
            if not open_trials and len(study.trials) >= self._tune.trials:
                self._choose(study)
        return new

    def final(self, record: dict[str, Any]) -> PlannedCell:
        """The cell with the settings that were chosen."""
        if self._final is None:
            cell = self.planned.cell
            self._final = plan_cell(replace(cell, values=with_settings(cell.values, record["chosen"])))
        return self._final

    def _identity(self) -> dict[str, Any]:
        train = {key: value for key, value in self.planned.train.items() if key != "seed"}
        tune = self._tune.model_dump(mode="json", exclude={"trials", "space"})
        return {"train": train, "tune": tune, "space": {one.setting: one.written() for one in self._space}}

    @property
    def _record(self) -> Any:
        return self.folder.path / f"chosen-of-{self._tune.trials}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder.path / "journal.lock", timeout=60):
                yield
        except OSError as error:
            raise RunError(f"cannot write {self.folder.path}: {error.strerror or error}") from error

    def _study(self, number: int | None = None) -> optuna.Study:
        """The study; with the sampler for one trial, whose draws depend on its number and not on earlier starts."""
        optuna = _optuna()
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        seed = int(hashlib.sha256(f"{self._tune.seed} {self._key} {number}".encode()).hexdigest()[:8], 16)
        sampler = (
            optuna.samplers.TPESampler(n_startup_trials=self.startup, seed=seed)
            if self.sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        journal = str(self.folder.path / "journal.log")
        storage = JournalStorage(JournalFileBackend(journal, lock_obj=JournalFileOpenLock(journal)))
        return optuna.create_study(
            storage=storage, study_name=self._key, direction="maximize", sampler=sampler, load_if_exists=True
        )

    def _ask(self) -> None:
        """Adds a trial to the study."""
        study = self._study(number=len(self._study().trials))
        trial = study.ask()
        for dimension in self._space:
            dimension.suggest(trial)

    def _values(self, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        """The settings of a trial."""
        return {
            one.setting: one.values[trial.params[one.setting]] if one.values else trial.params[one.setting]
            for one in self._space
            if one.setting in trial.params
        }

    def _jobs(self, trial: optuna.trial.FrozenTrial) -> list[tuple[Job, PlannedCell]]:
        """The jobs of a trial, one a seed."""
        if trial.number not in self._trials:
            values = {key: value for key, value in self.planned.cell.values.items() if key not in NO_SCORES}
            values = with_settings(values, self._values(trial))
            source = self.planned.train["source"]
            values |= {"languages": [source], "keep_checkpoints": "none", "output": str(self.folder.path)}
            planned = plan_cell(replace(self.planned.cell, values=values, seeds=self._tune.seeds))
            self._trials[trial.number] = [
                (self.folder.job(planned, seed, self._experiment, trial=True), planned) for seed in self._tune.seeds
            ]
        return self._trials[trial.number]

    def _take_in(self, study: optuna.Study, state: States) -> set[int]:
        """Tells the study of the trials that have ended; returns the numbers of those that have not."""
        from optuna.trial import TrialState

        still_open = set()
        for trial in study.trials:
            if trial.state.is_finished():
                continue
            jobs = [job for job, _ in self._jobs(trial)]
            states = [state(job.name) for job in jobs]
            if all(one == "complete" for one in states):
                study.tell(trial.number, fmean(dev_score(job) for job in jobs), TrialState.COMPLETE)
            elif None in states or not set(states) <= {"complete", "failed"}:
                still_open.add(trial.number)
        return still_open

    def _choose(self, study: optuna.Study) -> None:
        """Writes down the settings of the best trial; of equal ones the earlier."""
        trials = study.trials[: self._tune.trials]
        scores = {trial.number: trial.value for trial in trials if trial.value is not None}
        if not scores:
            raise RunError(
                f"{self.planned.cell.place}: none of its {len(trials)} trials ended with a score: see the logs in "
                f"{self.folder.path / 'logs'}"
            )
        best = max(scores, key=lambda number: (scores[number], -number))
        record = {
            "trials": self._tune.trials,
            "scored": len(scores),
            "seeds": list(self._tune.seeds),
            "sampler": self.sampler,
            "space": {one.setting: one.written() for one in self._space},
            "metric": self.planned.train["selection"]["metric"],
            "chosen": self._values(trials[best]),
            "values": [
                {"number": trial.number, "params": self._values(trial), "dev": scores.get(trial.number)}
                for trial in trials
            ],
        }
        text = json.dumps(record, indent=1) + "\n"
        write_atomically(self._record, lambda file: file.write(text.encode()))


def dev_score(job: Job) -> float:
    """The score on the source dev set of the weights that a run kept. Raises UserError for a run without one."""
    result = load_result(job.folder)
    if result.training is None:
        raise UserError(f"{job.folder}: the run was not trained")
    return next(point.value for point in result.training.dev if point.step == result.training.selected_step)


def require_optuna() -> None:
    """Raises UserError where Optuna is not installed."""
    _optuna()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("'tune' needs Optuna: pip install 'xrobust[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
