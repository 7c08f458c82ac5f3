"""`xrobust sweep` as users give it: real runs, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fork_server import Pythons

from xrobust import RunSpec, load_result, run
from xrobust.experiments.cells import expand
from xrobust.experiments.experiment_file import read_experiment
from xrobust.results.run_folder import at_work
from xrobust.results.schema import RunResult
from xrobust.results.select import documents_below

Command = Callable[..., subprocess.CompletedProcess[str]]
WriteExperiment = Callable[..., Path]

PLUGIN = """
import os
from pathlib import Path

from xrobust.contracts import Method, MethodInfo


class Waits(Method):
    info = MethodInfo(name="waits", summary="waits in the middle of its training, the first time")

    def objective(self, inner, ctx):
        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            if calls == 4 and not Path(os.environ["SEEN"]).exists():
                Path(os.environ["SEEN"]).touch()
                os.close(os.open(os.environ["AT_WORK"], os.O_WRONLY))  # waits for the other side
            return inner(forward, batch)

        return objective


class Breaks(Method):
    info = MethodInfo(name="breaks", summary="fails in training")

    def objective(self, inner, ctx):
        raise ValueError("no luck today")
"""


@pytest.fixture(autouse=True)
def on_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes on the CPU, with a thread: weights are compared bit for bit."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A file with a method that waits and one that fails."""
    file = tmp_path / "methods.py"
    file.write_text(PLUGIN)
    return file


def weights(result: RunResult) -> dict[str, str]:
    assert result.training is not None and result.training.weights is not None
    return result.training.weights


def values(result: RunResult) -> list[tuple[object, ...]]:
    return [(row.key, row.metric, row.value, row.ci_low, row.ci_high, row.n) for row in result.scores]


def alone(file: Path, output: Path) -> dict[str, RunResult]:
    """The runs of an experiment, one by one in this process: run id -> document."""
    results = {}
    for cell in expand(read_experiment(file)):
        for seed in cell.seeds:
            result = run(RunSpec.parse({**cell.values, "seed": seed, "output": output}))
            results[result.run_id] = result
    return results


def test_an_experiment_from_its_file_to_the_last_run(
    write_experiment: WriteExperiment, plugin: Path, xrobust: Command, tmp_path: Path
) -> None:
    file = write_experiment(
        methods=["vanilla", "breaks"], seeds=[5], retries=0, base={"plugins": [plugin.name], "perturb": ["typos"]}
    )
    planned = xrobust("sweep", file, "--dry-run")
    assert planned.returncode == 0 and "2 of 2 runs are missing" in planned.stdout
    assert not (tmp_path / "runs").exists()

    done = xrobust("sweep", file, "--jobs", "2" if len(os.sched_getaffinity(0)) > 1 else "1")
    assert done.returncode == 1, done.stderr
    assert "complete  pos-vanilla-seed5-" in done.stdout and "1 of 2 runs complete, 1 failed" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("failed: "))
    assert "no luck today" in line and Path(line.rpartition("(")[2].rstrip(")")).is_file()

    (document,) = [path for path in documents_below(tmp_path / "runs") if load_result(path).status == "complete"]
    ours = load_result(document)
    theirs = alone(write_experiment(name="alone", seeds=[5], base={"perturb": ["typos"]}), tmp_path / "alone")
    assert set(theirs) == {ours.run_id} and weights(theirs[ours.run_id]) == weights(ours)
    assert values(theirs[ours.run_id]) == values(ours)

    spec = next((tmp_path / "runs" / "experiments" / "tiny" / "specs").glob("pos-vanilla-*.yaml"))
    assert yaml.safe_load(spec.read_text())["output"] == str(tmp_path / "runs")
    again = xrobust("run", "--config", spec)  # by hand, from the file beside it
    assert again.returncode == 0 and f"run {ours.run_id} is already complete" in again.stdout


def test_a_sweep_that_is_killed_leaves_no_orphan_and_goes_on_from_the_checkpoints(
    write_experiment: WriteExperiment,
    plugin: Path,
    xrobust: Command,
    pythons: Pythons,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = write_experiment(methods=["waits"], base={"plugins": [plugin.name], "training": {"epochs": 4}})
    pipe = tmp_path / "at-work"
    os.mkfifo(pipe)
    env = {**os.environ, "AT_WORK": str(pipe), "SEEN": str(tmp_path / "seen")}
    sweep = pythons.start("-m", "xrobust", "sweep", file, cwd=tmp_path, env=env)
    os.open(pipe, os.O_RDONLY)  # waits for the middle of the training
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.wait()
    (lock,) = (tmp_path / "runs").glob("pos/waits/*/.lock")
    while at_work(lock.parent):  # until the run has written its checkpoint
        os.sched_yield()
    stopped = load_result(lock.parent)
    assert stopped.status == "interrupted" and list(lock.parent.glob("checkpoints/step-*"))

    again = xrobust("sweep", file, env=env)
    assert again.returncode == 0, again.stdout + again.stderr
    ours = load_result(lock.parent)
    assert "goes on from the checkpoint of step" in (lock.parent / "run.log").read_text()
    monkeypatch.setenv("SEEN", env["SEEN"])
    (theirs,) = alone(file, tmp_path / "alone").values()
    assert weights(theirs) == weights(ours)
    index = json.loads((tmp_path / "runs" / "experiments" / "tiny" / "experiment.json").read_text())
    assert [one["run_id"] for one in index["runs"]] == [ours.run_id]
