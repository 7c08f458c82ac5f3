"""Tuning: as many trials for every method, by Optuna's journal, scored on the source dev set alone."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from xrobust.errors import UserError
from xrobust.experiments import tuning as tuning_module
from xrobust.experiments.executor import Executor
from xrobust.experiments.job import Attempt, Job, Outcome
from xrobust.experiments.search_space import dimensions_of, parse_space
from xrobust.experiments.sweep import Sweep
from xrobust.experiments.sweep_plan import SweepPlan, plan_sweep
from xrobust.experiments.tuning import CellTuning

WriteExperiment = Callable[..., Path]
SPACE = {"training.learning_rate": [1e-4, 1e-2, "log"], "method.epsilon": [0.01, 0.3, "log"]}


def settings_of(job: Job) -> dict[str, float]:
    values = yaml.safe_load(job.spec.read_text())
    epsilon = values.get("method_params", {}).get("adversarial", {}).get("epsilon", 0.0)
    return {"rate": values["training"]["learning_rate"], "epsilon": epsilon}


def made_up_score(job: Job) -> float:
    """A dev score that is best at a learning rate of 1e-3 and an epsilon of 0.1."""
    found = settings_of(job)
    return -((math.log10(found["rate"]) + 3) ** 2) - (found["epsilon"] - 0.1) ** 2 + job.seed / 1e6


class Scored(Executor):
    """Runs that end at once; a trial gets a made-up dev score."""

    slots = 1

    def __init__(self, fails: Callable[[Job], bool] = lambda job: False) -> None:
        self.jobs: list[Job] = []
        self._fails = fails
        self._new: list[Job] = []

    def describe(self) -> str:
        return "played"

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        self._new.append(job)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        jobs, self._new = self._new, []
        attempt = (Attempt("2026-01-01T00:00:00+00:00", 1.0, 0),)
        return [(job, Outcome("failed" if self._fails(job) else "complete", attempts=attempt)) for job in jobs]

    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Silent:
    """A view that says nothing."""

    def begun(self, sweep: Sweep) -> None: ...
    def started(self, job: Job, *, queued: bool) -> None: ...
    def ended(self, job: Job, outcome: Outcome) -> None: ...
    def say(self, text: str) -> None: ...
    def tick(self, sweep: Sweep) -> None: ...


@pytest.fixture(autouse=True)
def scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are scored without training anything."""
    monkeypatch.setattr(tuning_module, "dev_score", made_up_score)


@pytest.fixture
def file(write_experiment: WriteExperiment) -> Path:
    """Two methods, of which one has an epsilon; four trials, with two seeds each."""
    tune = {"trials": 4, "seeds": [101, 102], "space": SPACE}
    return write_experiment(methods=["vanilla", "adversarial"], seeds=2, tune=tune, base={"perturb": ["typos"]})


def tuned(file: Path, executor: Executor) -> tuple[SweepPlan, Sweep, bool]:
    plan = plan_sweep(file)
    sweep = Sweep(plan, lambda: executor, Silent())
    return plan, sweep, sweep.run()


def study_of(tuning: CellTuning) -> optuna.Study:
    """The study as Optuna itself reads it."""
    storage = JournalStorage(JournalFileBackend(str(tuning.folder.path / "journal.log")))
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage)


def test_every_method_has_as_many_trials_and_the_best_values_are_taken(file: Path) -> None:
    executor = Scored()
    plan, _, done = tuned(file, executor)
    assert done
    for tuning in plan.tunings:
        method = tuning.planned.cell.method
        trials = [job for job in executor.jobs if job.trial and job.method == method]
        assert len(trials) == 4 * 2 and {job.seed for job in trials} == {101, 102}
        study, record = study_of(tuning), tuning.chosen()
        assert record is not None and record["trials"] == record["scored"] == 4 and record["sampler"] == "tpe"
        assert [one["dev"] for one in record["values"]] == [trial.value for trial in study.trials]
        assert record["chosen"] == study.best_params
        assert set(record["chosen"]) == (set(SPACE) if method == "adversarial" else {"training.learning_rate"})
        runs = [job for job in executor.jobs if not job.trial and job.method == method]
        assert [job.seed for job in runs] == [1, 2]
        for job in runs:
            values = yaml.safe_load(job.spec.read_text())
            assert values["tuning"] == record and values["perturb"] == ["typos"]
            assert values["training"]["learning_rate"] == record["chosen"]["training.learning_rate"]


def test_trials_score_the_source_alone_and_lie_apart(file: Path) -> None:
    executor = Scored()
    tuned(file, executor)
    for job in executor.jobs:
        values = yaml.safe_load(job.spec.read_text())
        assert values["languages"] == (["en"] if job.trial else ["en", "de"])
        assert ("perturb" in values) == (not job.trial)
        assert ("trials" in job.folder.parts) == job.trial


def test_a_search_that_is_cut_short_goes_on_with_the_same_trials(file: Path, tmp_path: Path) -> None:
    whole = Scored()
    plan, _, _ = tuned(file, whole)
    expected = [tuning.chosen() for tuning in plan.tunings]
    shutil.rmtree(tmp_path / "runs")

    class CutShort(Scored):
        def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
            if len(self.jobs) == 7:
                raise RuntimeError("the machine went down")
            return super().ended(seconds)

    with pytest.raises(RuntimeError):
        tuned(file, CutShort())
    rest = Scored()
    plan, _, done = tuned(file, rest)
    assert done and [tuning.chosen() for tuning in plan.tunings] == expected
    names = [job.name for job in rest.jobs]
    assert len(set(names)) == len(names)
    again = Scored()
    tuned(file, again)
    assert not {job.name for job in again.jobs if job.trial} & set(names)


def test_the_later_trials_go_by_the_scores_of_the_earlier_ones(write_experiment: WriteExperiment) -> None:
    tune = {"trials": 12, "space": {"training.learning_rate": [1e-6, 1e-1, "log"]}}
    plan, _, _ = tuned(write_experiment(tune=tune), Scored())
    record = plan.tunings[0].chosen()
    assert record is not None
    distances = [abs(math.log10(one["params"]["training.learning_rate"]) + 3) for one in record["values"]]
    assert sum(distances[6:]) < 0.7 * sum(distances[:6])


def test_more_trials_go_on_with_the_study(write_experiment: WriteExperiment) -> None:
    space = {"training.learning_rate": [1e-4, 1e-2, "log"]}
    first, _, _ = tuned(write_experiment(tune={"trials": 4, "space": space}), Scored())
    more = Scored()
    second, _, _ = tuned(write_experiment(tune={"trials": 6, "space": space}), more)
    before, after = first.tunings[0].chosen(), second.tunings[0].chosen()
    assert before is not None and after is not None
    assert after["values"][:4] == before["values"] and after["trials"] == 6


def test_a_trial_that_fails_counts_and_has_no_score(file: Path) -> None:
    worst = Scored(lambda job: job.trial and settings_of(job)["rate"] > 2e-3)
    plan, sweep, done = tuned(file, worst)
    failed = {entry.job.method for entry in sweep.failed()}
    assert not done and failed
    for tuning in plan.tunings:
        record = tuning.chosen()
        assert record is not None and len(record["values"]) == 4
        missing = [one for one in record["values"] if one["dev"] is None]
        assert record["scored"] == 4 - len(missing)
        assert all(one["params"]["training.learning_rate"] > 2e-3 for one in missing)


def test_without_any_score_nothing_is_chosen_and_the_others_go_on(file: Path) -> None:
    executor = Scored(lambda job: job.trial and job.method == "vanilla")
    plan, sweep, done = tuned(file, executor)
    assert not done and len(sweep.problems) == 1 and "none of its 4 trials ended with a score" in sweep.problems[0]
    assert [job.method for job in executor.jobs if not job.trial] == ["adversarial"] * 2
    assert plan.tunings[0].chosen() is None


def test_a_space_of_one_point_is_one_run_and_is_counted_as_all_trials(write_experiment: WriteExperiment) -> None:
    tune = {"trials": 5, "space": {"training.learning_rate": {"values": [0.005]}}}
    executor = Scored()
    plan, _, done = tuned(write_experiment(tune=tune), executor)
    record = plan.tunings[0].chosen()
    assert done and record is not None and (record["sampler"], record["scored"]) == ("random", 5)
    assert record["chosen"] == {"training.learning_rate": 0.005}
    assert sum(job.trial for job in executor.jobs) == 1


@given(
    low=st.floats(1e-6, 1.0),
    factor=st.floats(1.0, 1e4),
    log=st.booleans(),
    integers=st.booleans(),
)
def test_suggestions_lie_in_the_range(low: float, factor: float, log: bool, integers: bool) -> None:
    ends: list[float | int] = [1 + int(low * 10), 1 + int(low * 10) + int(factor)]
    name = "method.rank" if integers else "method.alpha"  # whole numbers as ends do not make a setting take them alone
    space = parse_space({name: [*ends, *(["log"] if log else [])]})
    (dimension,) = dimensions_of({"lora": {"rank": True, "alpha": False}}, space)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    value = dimension.suggest(study.ask())
    assert ends[0] <= value <= ends[1] and isinstance(value, int) == integers


def test_values_of_any_kind_can_be_searched() -> None:
    (dimension,) = parse_space({"method.mode": {"values": ["all", None, 3, "1e-5"]}})
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"method.mode": [0, 1, 2, 3]}))
    assert json.dumps(sorted({repr(dimension.suggest(study.ask())) for _ in range(40)})) == json.dumps(
        sorted(map(repr, ["all", None, 3, 1e-5]))
    )


def test_optuna_that_is_missing_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'xrobust\[tune\]'"):
        plan_sweep(file)
