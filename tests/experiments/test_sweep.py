"""A sweep: order, budgets, other sweeps, signals, full disks, and changed files. Runs are played by the executor."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from xrobust.cli.sweep_view import summary
from xrobust.errors import UserError
from xrobust.experiments import sweep as sweep_module
from xrobust.experiments.executor import Executor
from xrobust.experiments.folder import spec_text
from xrobust.experiments.job import Attempt, Job, Outcome
from xrobust.experiments.job_runner import finished_mark, save_status
from xrobust.experiments.sweep import Sweep
from xrobust.experiments.sweep_plan import plan_sweep
from xrobust.results.experiment_index import load_index
from xrobust.runtime import signals

WriteExperiment = Callable[..., Path]


def complete(job: Job, seconds: float = 1.0) -> Outcome:
    """Ends a job as a run would that is complete."""
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / "result.json").write_text(f'"{job.name}"')
    attempts = (Attempt("2026-01-01T00:00:00+00:00", seconds, 0),)
    save_status(job, {"state": "complete", "attempts": [{"seconds": seconds}], **finished_mark(job)})
    return Outcome("complete", attempts=attempts)


class Played(Executor):
    """Jobs that end as `play` says when the sweep looks."""

    def __init__(self, play: Callable[[Job], Outcome] = complete, slots: int | None = 1) -> None:
        self.slots = slots
        self.submitted: list[str] = []
        self.calls: list[str] = []
        self._play = play
        self._jobs: list[Job] = []

    def describe(self) -> str:
        return "played"

    def submit(self, job: Job) -> None:
        self.submitted.append(job.name)
        self._jobs.append(job)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        jobs, self._jobs = self._jobs, []
        return [(job, self._play(job)) for job in jobs]

    def stop(self) -> None:
        self.calls.append("stop")

    def kill(self) -> None:
        self.calls.append("kill")

    def close(self) -> None:
        self.calls.append("close")


class Lines:
    """A view that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.most = 0

    def begun(self, sweep: Sweep) -> None: ...
    def started(self, job: Job, *, queued: bool) -> None: ...

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.said.append(f"{job.method} {job.seed} {outcome.state}")

    def say(self, text: str) -> None:
        self.said.append(text)

    def tick(self, sweep: Sweep) -> None:
        self.most = max(self.most, len(sweep.running()))


def carried_out(file: Path, executor: Executor) -> tuple[Sweep, Lines, bool]:
    view = Lines()
    sweep = Sweep(plan_sweep(file), lambda: executor, view)
    return sweep, view, sweep.run()


def test_specs_and_index_are_written_before_the_first_run_starts(write_experiment: WriteExperiment) -> None:
    file = write_experiment(methods=["vanilla", "rs_random"], seeds=2, output="out")
    seen: list[tuple[int, int]] = []
    folder = file.parent / "out" / "experiments" / "tiny"

    def play(job: Job) -> Outcome:
        index = load_index(folder)
        assert index is not None
        seen.append((len(list(folder.glob("specs/*.yaml"))), len(index.runs)))
        return complete(job)

    _, _, done = carried_out(file, Played(play))
    assert done and seen == [(4, 4)] * 4
    index = load_index(folder)
    assert index is not None and index.baseline == "vanilla"
    for entry in index.runs:
        spec = folder / str(entry.spec)
        assert yaml.safe_load(spec.read_text())["seed"] == entry.seed
        assert entry.spec_sha256 == hashlib.sha256(spec.read_bytes()).hexdigest()


def test_what_is_finished_is_not_started_again(write_experiment: WriteExperiment) -> None:
    file = write_experiment(seeds=3)
    fails = Played(lambda job: complete(job) if job.seed != 2 else Outcome("failed", "no luck"))
    sweep, view, done = carried_out(file, fails)
    assert not done and view.said == ["played", "vanilla 1 complete", "vanilla 2 failed", "vanilla 3 complete"]
    lines = list(summary(sweep))
    assert lines[0] == "2 of 3 runs complete, 1 failed"
    assert lines[1].startswith("failed: pos-vanilla-seed2-") and "no luck" in lines[1] and lines[1].endswith(".log)")
    again = Played()
    assert carried_out(file, again)[2]
    assert [name.split("-")[2] for name in again.submitted] == ["seed2"]
    never = Played()
    assert carried_out(file, never)[2] and never.submitted == [] and never.calls == []


def test_the_longest_jobs_go_first_by_what_earlier_runs_took(write_experiment: WriteExperiment) -> None:
    seconds = {"vanilla": 10.0, "rs_random": 30.0, "adversarial": 20.0}
    methods = list(seconds)
    carried_out(write_experiment(methods=methods), Played(lambda job: complete(job, seconds[job.method])))
    executor = Played(lambda job: complete(job, seconds[job.method]))
    carried_out(write_experiment(methods=methods, seeds=2), executor)
    assert [name.split("-")[1] for name in executor.submitted] == ["rs_random", "adversarial", "vanilla"]


def test_no_more_jobs_are_running_than_there_are_slots(write_experiment: WriteExperiment) -> None:
    held: list[tuple[Job, Outcome]] = []

    class OneByOne(Played):
        def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
            held.extend(super().ended(seconds))
            return [held.pop(0)] if held else []

    _, view, done = carried_out(write_experiment(seeds=5), OneByOne(slots=2))
    assert done and view.most == 1  # one of two has just ended when the view looks


def test_a_changed_file_says_what_is_new_and_what_is_not_asked_for_and_deletes_nothing(
    write_experiment: WriteExperiment,
) -> None:
    carried_out(write_experiment(methods=["vanilla", "rs_random"]), Played())
    file = write_experiment(methods=["vanilla", "adversarial"])
    plan = plan_sweep(file)
    new, gone = plan.changes()
    assert [name.split("-")[1] for name in new] == ["adversarial"]
    assert [name.split("-")[1] for name in gone] == ["rs_random"]
    carried_out(file, Played())
    assert len(list((file.parent / "runs").glob("pos/*/*/result.json"))) == 3
    assert plan_sweep(file).changes() == ([], [])


def test_methods_take_the_steps_of_the_one_that_is_named(write_experiment: WriteExperiment) -> None:
    methods = ["vanilla", "rs_aug", {"method": "rs_random", "training": {"epochs": 5}}]
    plan = plan_sweep(write_experiment(tasks=["pos", "xnli"], methods=methods, budget={"match": "steps"}))
    for planned in plan.cells:
        assert planned.steps == 2  # 48 examples in batches of 32, one epoch
        assert planned.train["training"]["max_steps"] == (None if planned.cell.method == "vanilla" else 2)
    alone = plan_sweep(write_experiment(methods=["vanilla"]))
    assert plan.cells[0].run_id(1) == alone.cells[0].run_id(1)


def test_a_run_of_another_process_is_waited_for_and_not_done_twice(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "ELSEWHERE_SECONDS", 0.0)
    file = write_experiment(seeds=3)
    plan = plan_sweep(file)
    first, second, _ = plan.jobs_of(plan.cells[0])
    locks = []
    for job in (first, second):
        job.folder.mkdir(parents=True)
        locks.append((job.folder / ".lock").open("w"))
        fcntl.flock(locks[-1], fcntl.LOCK_EX)

    def play(job: Job) -> Outcome:
        if job.seed == 3:  # while it runs, the other process finishes one run and dies at the other
            complete(first)
            for lock in locks:
                lock.close()
        return complete(job)

    executor = Played(play)
    sweep, _, done = carried_out(file, executor)
    assert done and [name.split("-")[2] for name in executor.submitted] == ["seed3", "seed2"]
    assert next(summary(sweep)) == "3 of 3 runs complete, 1 of them before"


def test_a_run_that_another_process_took_first_is_looked_at_again(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "ELSEWHERE_SECONDS", 0.0)
    outcomes = iter([lambda job: Outcome("busy"), complete])
    executor = Played(lambda job: next(outcomes)(job))
    assert carried_out(write_experiment(), executor)[2] and len(executor.submitted) == 2


def test_a_full_disk_stops_starting_and_says_so(write_experiment: WriteExperiment) -> None:
    executor = Played(lambda job: Outcome("no room", "cannot write result.json: No space left on device"))
    sweep, view, done = carried_out(write_experiment(seeds=3), executor)
    assert not done and len(executor.submitted) == 1
    assert any("No space left on device: no more runs are started; make room" in line for line in view.said)
    assert next(summary(sweep)) == "0 of 3 runs complete, 3 not finished"


def test_nothing_is_started_on_a_disk_that_is_full_from_the_start(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "free_space", lambda job: 5_000_000)
    executor = Played()
    _, view, done = carried_out(write_experiment(seeds=2), executor)
    assert not done and executor.submitted == [] and "5 MB free" in view.said[1]


def test_after_a_signal_nothing_is_started_and_runs_are_told_to_stop(write_experiment: WriteExperiment) -> None:
    def play(job: Job) -> Outcome:
        if signals.asked() is None:
            os.kill(os.getpid(), signal.SIGTERM)
            complete(job)
            return Outcome("busy")  # its turn comes again
        return Outcome("stopped")

    executor = Played(play, slots=2)
    view = Lines()
    sweep = Sweep(plan_sweep(write_experiment(seeds=4)), lambda: executor, view)
    with signals.watched(), pytest.raises(signals.Terminated):
        sweep.run()
    assert len(executor.submitted) == 2 and executor.calls[-1] == "close" and "kill" not in executor.calls


def test_a_second_signal_ends_the_runs_at_once(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SAME_SECONDS", 0.0)

    class Hangs(Played):
        def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
            os.kill(os.getpid(), signal.SIGINT)
            return []

    executor = Hangs()
    sweep = Sweep(plan_sweep(write_experiment(seeds=2)), lambda: executor, Lines())
    with signals.watched(), pytest.raises(KeyboardInterrupt):
        sweep.run()
    assert executor.calls == ["stop", "kill", "close"] and len(executor.submitted) == 1


def test_an_output_that_cannot_be_written_is_said_before_anything_starts(
    write_experiment: WriteExperiment, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "experiments").touch()  # where a folder belongs
    executor = Played()
    with pytest.raises(UserError, match=r"output .*cannot be written to"):
        carried_out(write_experiment(output="out"), executor)
    assert executor.submitted == []


def test_spec_texts_are_read_back_as_they_were() -> None:
    values: dict[str, Any] = {"a": 1e-05, "b": [1, "no", None], "c": {"d": "5e-4", "e": "ü"}, "f": True}
    assert yaml.safe_load(spec_text(values)) == values
    assert json.loads(json.dumps(values)) == values
