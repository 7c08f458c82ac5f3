"""A run that is killed and started again is the run that was never killed, bit for bit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fork_server import Pythons
from safetensors.torch import load_file

from xrobust import load_result
from xrobust.results.environment import resume_warnings

Command = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
import os, signal
from pathlib import Path

from xrobust import hookimpl
from xrobust.contracts import Method, MethodInfo

point, _, which = os.environ.get("SIGNAL_AT", "").partition(":")
number = getattr(signal, os.environ.get("SIGNAL", "SIGKILL"))


def reached(name, value):
    if (point, which) == (name, str(value)):
        os.kill(os.getpid(), number)


reached("import", "now")


made = 0


class Noisy(Method):
    """Fine-tuning with a little noise, that sends itself a signal at a certain point where it is told to."""

    info = MethodInfo(name="noisy", summary="noise, and a signal")
    every_epoch = point == "augment"

    def augment(self, examples, ctx):
        global made
        reached("augment", made)
        made += 1
        return examples

    def objective(self, inner, ctx):
        import torch

        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            reached("call", calls)
            noise = torch.randn(batch.noise_shape(), generator=batch.generator, device=batch.labels.device) * 0.1
            return inner(forward.shifted(noise), batch)

        return objective


@hookimpl
def phase_started(name):
    reached("phase", name)


@hookimpl
def language_scored(row):
    if row["metric"] == "accuracy":
        reached("language", row["language"])


writes = 0
fsync = os.fsync


def counted(descriptor):
    """`write:step-00000012:3`: when the file of the third write to a path like that is not yet on the disk."""
    global writes
    like, _, nth = which.partition(":")
    if point == "write" and like in os.readlink(f"/proc/self/fd/{descriptor}"):
        writes += 1
        if writes == int(nth):
            if number == signal.SIGKILL:  # of what was written half is there
                os.truncate(os.readlink(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), number)
    fsync(descriptor)


os.fsync = counted
'''


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> list[object]:
    """A run of 24 steps, 6 an epoch, with a checkpoint every 4; it looks at the dev set every 7."""
    config = json.loads((tiny_model / "config.json").read_text())
    assert config["hidden_dropout_prob"] > 0, "a resumed run must draw the same masks"
    plugin = tmp_path_factory.mktemp("plugin") / "noisy.py"
    plugin.write_text(PLUGIN)
    settings = ["training.epochs=4", "training.batch_size=8", "training.select_every=7", "training.learning_rate=5e-3"]
    return [
        *("run", "--task", "pos", "--method", "noisy", "--plugin", plugin),
        *("--model", tiny_model, "--data-dir", tiny_data, "--set", "checkpoint_steps=4"),
        *(part for setting in settings for part in ("--set", setting)),
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, arguments: list[object], pythons: Pythons) -> Path:
    """The folder of the run that nothing stopped."""
    output = tmp_path_factory.mktemp("whole")
    # Of an interpreter of its own, so that it has another hash seed than those that are killed.
    done = pythons.run("-m", "xrobust", *arguments, "--output", output, cwd=output.parent, fresh=True)
    assert done.returncode == 0, done.stderr
    return run_folder(output)


def run_folder(output: Path) -> Path:
    (document,) = output.rglob("result.json")
    return document.parent


def document(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def comparable(folder: Path) -> dict:
    """The document without what may differ: times."""
    whole = document(folder)
    for key in ("started", "updated", "sums", "sha256"):
        del whole[key]
    for key in ("seconds", "examples_per_second", "peak_memory_bytes"):
        del whole["training"][key]
    for row in whole["scores"]:
        del row["seconds"]
    return whole


def checkpoints(folder: Path) -> list[int]:
    """The steps that have one."""
    return sorted(int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*"))


def scored(folder: Path) -> list[str]:
    return [row["language"] for row in document(folder)["scores"] if row["metric"] == "accuracy"]


def resumed_from(folder: Path) -> str:
    """What the log says of the last start."""
    last = (folder / "run.log").read_text().rpartition(f"run {folder.name}, ")[2]
    found = re.search(r"goes on from the checkpoint of step (\d+)", last)
    return f"step {found[1]}" if found else "the trained model" if document(folder)["training"] else "nothing"


def same_as(folder: Path, other: Path) -> bool:
    """The weights bit for bit, and every number in the document."""
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (folder, other))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert comparable(folder) == comparable(other)
    return True


KILLS = [
    # Where; the point in the plugin; then: the checkpoints that there are, what is scored, where the next goes on.
    ("mid-step, step 7", "call:7", [4], [], "step 4"),
    ("inside the write of checkpoint 12", "write:.step-00000012:2", [4, 8], [], "step 8"),
    ("between languages, after de", "language:de", [16, 20], ["de"], "the trained model"),
    ("inside the write of a result, en", "write:.result.json.:2", [16, 20], ["de"], "the trained model"),
]


def test_killed_at_four_points_ends_with_the_same_weights_and_scores(
    tmp_path: Path, xrobust: Command, arguments: list[object], whole: Path
) -> None:
    expected = "nothing"
    for where, point, kept, languages, next_from in [*KILLS, ("not at all", "", [], ["de", "en", "fr"], "")]:
        done = xrobust(*arguments, "--output", tmp_path, env={"SIGNAL_AT": point})
        folder = run_folder(tmp_path)
        if point:
            assert done.returncode == -signal.SIGKILL, where
            print(f"killed {where}; checkpoints {kept}, scored {languages}; the next start goes on from {next_from}")
            assert document(folder)["status"] == "running"
        assert (checkpoints(folder), scored(folder)) == (kept, languages), where
        assert resumed_from(folder) == expected, where
        expected = next_from
        halves = list(folder.rglob(".*.tmp"))
        assert bool(halves) == point.startswith("write"), "what is half written is there, and gone after the next"
    assert done.returncode == 0, done.stderr
    assert "train:" not in done.stdout, "training had ended: it is not done again"
    assert same_as(folder, whole)


TERMINATED = "xrobust: terminated; the same command goes on from the last checkpoint (exit code 75: start it again)"


def test_sigterm_ends_with_the_code_to_start_again_wherever_it_comes(
    tmp_path: Path, xrobust: Command, arguments: list[object], whole: Path
) -> None:
    def terminated(point: str) -> Path | None:
        done = xrobust(*arguments, "--output", tmp_path / "runs", env={"SIGNAL": "SIGTERM", "SIGNAL_AT": point})
        assert (done.returncode, done.stderr.splitlines()) == (75, [TERMINATED]), done.stdout
        if not (tmp_path / "runs").exists():
            return None
        folder = run_folder(tmp_path / "runs")
        assert document(folder)["status"] == "interrupted" and document(folder)["error"] is None
        assert (folder / "run.log").read_text().endswith("INFO stopped by SIGTERM\n")
        return folder

    assert terminated("import:now") is None, "planning: nothing is written"
    folder = terminated("phase:encode")
    assert folder is not None and checkpoints(folder) == []
    terminated("call:3")
    assert checkpoints(folder) == [3], "after the step"
    # The training set of the first epoch is counted, those of all four are looked at for their word pieces; then comes
    # what is trained on: the first once more, and the second.
    terminated("augment:5")
    assert checkpoints(folder) == [4, 6], "between two steps, while an epoch is made"
    terminated("write:.step-00000008:1")
    assert checkpoints(folder) == [6, 8], "the checkpoint that was being written, and no other"
    terminated("write:.model.:1")
    assert document(folder)["training"]["budget"]["steps"] == 24, "what training came to is on disk"
    terminated("write:.de.parquet:1")
    assert scored(folder) == ["de"], "what was predicted is on disk"
    last = xrobust(*arguments, "--output", tmp_path / "runs")
    assert last.returncode == 0, last.stderr
    assert same_as(folder, whole)


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_is_used(
    tmp_path: Path, xrobust: Command, arguments: list[object], whole: Path
) -> None:
    killed = xrobust(*arguments, "--output", tmp_path, env={"SIGNAL_AT": "call:15"})
    assert killed.returncode == -signal.SIGKILL
    folder = run_folder(tmp_path)
    assert checkpoints(folder) == [8, 12]
    victim = folder / "checkpoints" / "step-00000012" / "optimiser.pt"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    last = xrobust(*arguments, "--output", tmp_path)
    assert last.returncode == 0, last.stderr
    (warning,) = document(folder)["warnings"]
    instead = "training goes on from the older checkpoint step-00000008"
    said = f"is damaged (its sha256 is not that in SHA256SUMS): {instead}"
    assert warning == f"{victim.name} {said}", "the document has no path"
    assert f"{victim} {said}" in (folder / "run.log").read_text()
    assert f"warning: {warning}" in last.stdout
    assert resumed_from(folder) == "step 8"
    shown = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**shown, "warnings": []}))
    assert same_as(folder, whole)


def test_force_goes_on_with_a_run_that_was_stopped(tmp_path: Path, xrobust: Command, arguments: list[object]) -> None:
    forced = [*arguments, "--output", tmp_path / "runs", "--languages", "de", "--force"]
    stopped = xrobust(*forced, env={"SIGNAL": "SIGINT", "SIGNAL_AT": "call:10"})
    assert stopped.returncode == 130
    assert "the same command goes on" in stopped.stderr
    last = xrobust(*forced)
    assert last.returncode == 0, last.stderr
    folder = run_folder(tmp_path / "runs")
    log = (folder / "run.log").read_text()
    assert log.count(f"run {folder.name}, ") == 2, "both are in the log: nothing was deleted"
    assert log.count("step 7 dev") == 1 and log.count("step 14 dev") == 1, "the steps before the stop were done once"
    assert document(folder)["training"]["budget"]["steps"] == 24


def test_another_micro_batch_size_on_the_way_is_warned_about(
    tmp_path: Path, xrobust: Command, arguments: list[object]
) -> None:
    arguments = [*arguments, "--output", tmp_path / "runs", "--languages", "de"]
    stopped = xrobust(*arguments, env={"SIGNAL": "SIGINT", "SIGNAL_AT": "call:6"})
    assert stopped.returncode == 130
    last = xrobust(*arguments, "--set", "micro_batch_size=4")
    assert last.returncode == 0, last.stderr
    (warning,) = document(run_folder(tmp_path / "runs"))["warnings"]
    assert warning.startswith("resumed with micro_batch_size 4 after unset: dropout and noise are other draws")
    assert f"warning: {warning}" in last.stdout


def test_what_is_warned_about_when_a_run_goes_on(finished_run: Path) -> None:
    before = load_result(finished_run).environment
    assert resume_warnings(before, before) == []
    here = before.model_copy(update={"world_size": 3, "threads": before.threads + 1})
    threads, processes = resume_warnings(before, here)
    assert threads.startswith(f"resumed with {here.threads} threads after {before.threads}: ")
    assert processes.startswith("resumed with 3 processes after 1: dropout and noise are other draws")


@pytest.mark.parametrize(
    ("before", "here", "said"),
    [
        (("cpu 2 cores", "AMD EPYC, AVX2"), ("cpu 8 cores", "AMD EPYC, AVX2"), None),
        (("cpu 2 cores", "AMD EPYC, AVX2"), ("cpu 2 cores", "Xeon, AVX512"), "Xeon, AVX512 after AMD EPYC, AVX2"),
        (("cpu 2 cores", None), ("cpu 2 cores", "Xeon, AVX512"), None),
        (("cpu 2 cores", "Xeon, AVX512"), ("NVIDIA A100", "Xeon, AVX512"), "NVIDIA A100 after Xeon, AVX512"),
        (("NVIDIA H200", "Xeon, AVX512"), ("NVIDIA A100", "Xeon, AVX512"), "NVIDIA A100 after NVIDIA H200"),
        (("NVIDIA A100", "AMD EPYC, AVX2"), ("NVIDIA A100", "Xeon, AVX512"), None),
    ],
)
def test_another_device_on_the_way_is_warned_about(
    finished_run: Path, before: tuple[str, str | None], here: tuple[str, str | None], said: str | None
) -> None:
    environment = load_result(finished_run).environment
    then, now = (
        environment.model_copy(update={"device": device, "processor": processor})
        for device, processor in (before, here)
    )
    tail = "the weights can differ in their last bits from those of a run that was not stopped"
    assert resume_warnings(then, now) == ([] if said is None else [f"resumed on {said}: {tail}"])


def test_ctrl_c_writes_a_checkpoint_after_the_step_and_the_same_command_goes_on(
    tmp_path: Path, xrobust: Command, arguments: list[object]
) -> None:
    output = tmp_path / "runs"
    stopped = xrobust(*arguments, "--output", output, env={"SIGNAL": "SIGINT", "SIGNAL_AT": "call:6"})
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines() == ["xrobust: interrupted; the same command goes on from the last checkpoint"]
    folder = run_folder(output)
    assert document(folder)["status"] == "interrupted"
    assert (folder / "checkpoints" / "step-00000006").is_dir()
    resumed = xrobust(*arguments, "--output", output)
    assert resumed.returncode == 0, resumed.stderr
    assert document(folder)["training"]["budget"]["steps"] == 24

    done = xrobust(*arguments, "--output", output)
    assert done.returncode == 0
    assert "already complete" in done.stdout
