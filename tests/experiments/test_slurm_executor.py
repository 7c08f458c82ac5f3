"""Runs on Slurm. Its commands are small programs that note what they get; the test plays the scheduler."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust import RunSpec
from xrobust import run as carry_out_run
from xrobust.config.request import read_config
from xrobust.errors import UserError
from xrobust.experiments import slurm_executor
from xrobust.experiments.experiment_file import read_experiment
from xrobust.experiments.job import Job, Outcome
from xrobust.experiments.slurm_executor import MOST_LOSSES, SlurmExecutor
from xrobust.experiments.sweep import Sweep
from xrobust.experiments.sweep_plan import plan_sweep
from xrobust.results.run_folder import at_work

submitit = pytest.importorskip("submitit", reason='Slurm needs: pip install "xrobust[slurm]"')

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "slurm_array.sh"

WriteExperiment = Callable[..., Path]
MakeJob = Callable[..., Job]

COMMANDS = {
    "sbatch": 'id=$((101 + $(ls "$FAKE/submitted" | wc -l)))\ncp "$1" "$FAKE/submitted/$id.sh"\n'
    'echo "Submitted batch job $id"',
    "sacct": 'cat "$FAKE/states"',
    "scontrol": 'echo "$@" >> "$FAKE/scontrol"',
    "srun": 'while [ "${1#--}" != "$1" ]; do case $1 in --output|--error) shift;; esac; shift; done\n'
    'echo $$ > "$FAKE/pid"\nexec "$@"',
}


class Slurm:
    """A queue without a machine: the scripts that were submitted, and states that the test decides on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "submitted").mkdir(parents=True)
        self.says({})

    def scripts(self) -> list[str]:
        return [path.read_text() for path in sorted((self.folder / "submitted").iterdir())]

    def says(self, states: dict[str, str]) -> None:
        lines = ["JobID|State|NodeList", *(f"{job}|{state}|node1" for job, state in states.items())]
        (self.folder / "states").write_text("\n".join(lines) + "\n")
        submitit.SlurmJob.watcher.clear()

    def start(self, job: int) -> subprocess.Popen[bytes]:
        """Starts a job, as a node would."""
        script = self.folder / "submitted" / f"{job}.sh"
        return subprocess.Popen(
            ["bash", str(script)],
            env={**os.environ, "SLURM_JOB_ID": str(job)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    folder, programs = tmp_path / "fake", tmp_path / "bin"
    programs.mkdir()
    for name, text in COMMANDS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setattr(slurm_executor, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(slurm_executor, "RESULT_SECONDS", 0.0)
    return Slurm(folder)


def test_the_array_that_is_submitted(
    slurm: Slurm, write_experiment: WriteExperiment, make_job: MakeJob, tmp_path: Path
) -> None:
    more = {"timeout_min": 30, "mem_gb": 16, "slurm_partition": "gpu", "slurm_array_parallelism": 8}
    experiment = read_experiment(write_experiment(resources={"cpus": 4, "gpus": 1}, slurm=more))
    executor = SlurmExecutor(experiment, tmp_path / "out" / "slurm")
    executor.submit(make_job("one"))
    executor.submit(make_job("two"))
    executor.ended(0.0)
    (script,) = slurm.scripts()
    normal = script.replace(str(tmp_path / "out" / "slurm"), "FOLDER").replace(sys.executable, "PYTHON")
    assert normal == GOLDEN.read_text()


def test_jobs_in_the_queue_are_left_there_and_attached_to_again(
    slurm: Slurm,
    write_experiment: WriteExperiment,
    make_job: MakeJob,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment, folder = read_experiment(write_experiment()), tmp_path / "out" / "slurm"
    jobs = [make_job(name) for name in ("one", "two", "three")]
    first = SlurmExecutor(experiment, folder)
    for job in jobs:
        first.submit(job)
    assert first.ended(0.0) == []
    slurm.says({"101_0": "RUNNING", "101_[1]": "PENDING", "101_2": "FAILED"})
    assert first.describe() == "Slurm: 1 FAILED, 1 PENDING, 1 RUNNING"
    first.stop()
    assert first.ended(0.0) == [(job, Outcome("stopped")) for job in jobs]
    assert capsys.readouterr().out.splitlines()[-1].endswith("to cancel them: scancel 101")
    second = SlurmExecutor(experiment, folder)
    for job in jobs:
        second.submit(job)
    second.ended(0.0)
    assert len(slurm.scripts()) == 2 and "--array" not in slurm.scripts()[1]  # the one that had failed
    assert "2 jobs are in Slurm's queue already" in capsys.readouterr().out


def test_a_lost_job_is_submitted_again_a_few_times_and_a_cancelled_one_is_not(
    slurm: Slurm, write_experiment: WriteExperiment, make_job: MakeJob, tmp_path: Path
) -> None:
    executor = SlurmExecutor(read_experiment(write_experiment()), tmp_path / "slurm")
    executor.submit(make_job("lost"))
    executor.submit(make_job("cancelled"))
    executor.ended(0.0)
    slurm.says({"101_0": "NODE_FAIL", "101_1": "CANCELLED by 1000"})
    found = executor.ended(0.0)
    assert [(job.name, outcome.state) for job, outcome in found] == [("cancelled", "failed")]
    assert "job 101_1: Slurm says CANCELLED by 1000" in str(found[0][1].reason)
    for job_id in range(102, 102 + MOST_LOSSES):
        slurm.says({str(job_id): "OUT_OF_MEMORY"})
        found = executor.ended(0.0)
        assert bool(found) == (job_id == 101 + MOST_LOSSES)
    ((job, outcome),) = found
    assert (job.name, outcome.state) == ("lost", "failed") and len(slurm.scripts()) == 1 + MOST_LOSSES
    assert "lost 4 times; the last time: job 104: Slurm says OUT_OF_MEMORY" in str(outcome.reason)


class TimeLimit:
    """A view that plays Slurm: starts the job, and sends it the signal before the time limit in mid-run."""

    def __init__(self, slurm: Slurm) -> None:
        self.slurm = slurm
        self.process: subprocess.Popen[bytes] | None = None
        self.warned = self.again = False

    def begun(self, sweep: Sweep) -> None: ...
    def started(self, job: Job, *, queued: bool) -> None: ...
    def ended(self, job: Job, outcome: Outcome) -> None: ...
    def say(self, text: str) -> None: ...

    def tick(self, sweep: Sweep) -> None:
        job = next(iter(sweep.entries.values())).job
        if self.process is None:
            self.slurm.says({"101": "RUNNING"})
            self.process = self.slurm.start(101)
        elif not self.warned and at_work(job.folder) and any(job.folder.glob("checkpoints/*")):
            self.warned = True
            os.kill(int((self.slurm.folder / "pid").read_text()), signal.SIGUSR2)
        elif self.warned and not self.again and self.process.poll() is not None:
            self.again = True
            self.process = self.slurm.start(101)


def test_a_run_at_its_time_limit_writes_a_checkpoint_is_queued_again_and_goes_on(
    slurm: Slurm, write_experiment: WriteExperiment, tmp_path: Path
) -> None:
    training = {"epochs": 1, "max_steps": 40, "batch_size": 4, "dev_looks": 1, "learning_rate": 5e-3}
    base = {"training": training, "languages": ["en"], "checkpoint_steps": 1}
    plan = plan_sweep(write_experiment(base=base, slurm={"timeout_min": 1}))
    view = TimeLimit(slurm)
    sweep = Sweep(plan, lambda: SlurmExecutor(plan.experiment, plan.folder.path / "slurm"), view)
    assert sweep.run() and view.again
    assert (slurm.folder / "scontrol").read_text() == "requeue 101\n"
    job = next(iter(sweep.entries.values())).job
    assert "goes on from the checkpoint of step " in (job.folder / "run.log").read_text()
    carry_out_run(RunSpec.parse({**read_config(job.spec), "output": tmp_path / "alone"}))
    (folder,) = (tmp_path / "alone").glob(f"*/*/{job.folder.name}")
    assert sha256(folder / "model" / "model.safetensors") == sha256(job.folder / "model" / "model.safetensors")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            {"slurm_partion": "gpu"},
            "slurm: Unknown argument 'partion' for executor 'slurm'.* Valid arguments: .*partition",
        ),
        ({"timeout_min": "long"}, 'slurm: Parameter "timeout_min" expected type'),
        ({"cpus_per_task": 4}, r"slurm: 'cpus_per_task' is not for the file: it is made of 'resources: \{cpus: N\}'"),
    ],
)
def test_parameters_that_submitit_does_not_have_are_one_line(
    slurm: Slurm, write_experiment: WriteExperiment, tmp_path: Path, parameters: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        SlurmExecutor(read_experiment(write_experiment(slurm=parameters)), tmp_path / "slurm")
    assert "\n" not in str(caught.value)


def test_what_slurm_says_against_a_job_is_one_line(
    slurm: Slurm, write_experiment: WriteExperiment, make_job: MakeJob, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    executor = SlurmExecutor(read_experiment(write_experiment()), tmp_path / "slurm")
    executor.submit(make_job())
    with pytest.raises(UserError, match=r"^Slurm does not take the jobs: sbatch: error: invalid partition$"):
        executor.ended(0.0)


def test_a_machine_without_slurm_or_submitit_is_said(
    write_experiment: WriteExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = read_experiment(write_experiment())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="this machine has no sbatch: give the command on a login node"):
        SlurmExecutor(experiment, tmp_path / "slurm")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"pip install 'xrobust\[slurm\]'"):
        SlurmExecutor(experiment, tmp_path / "slurm")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
