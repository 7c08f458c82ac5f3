"""A run that is killed and started again is the run that was never killed, bit for bit."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from xrobust import load_result
from xrobust.pipeline import _resumed_otherwise

Command = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
import os, signal

from xrobust import hookimpl
from xrobust.contracts import Method, MethodInfo


class Noisy(Method):
    """Fine-tuning with a little noise, that sends itself a signal in the middle of a step where it is told to."""

    info = MethodInfo(name="noisy", summary="noise, and a signal")

    def objective(self, inner, ctx):
        import torch

        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            if str(calls) == os.environ.get("SIGNAL_AT_CALL"):
                os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
            noise = torch.randn(batch.noise_shape(), generator=batch.generator) * 0.1
            return inner(forward.shifted(noise), batch)

        return objective


@hookimpl
def language_scored(row):
    if row["language"] == os.environ.get("SIGNAL_AT_LANGUAGE"):
        os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture(scope="module")
def dropout_model(tiny_model: Path) -> Path:
    """The tiny model has dropout: a resumed run must draw the same masks."""
    assert json.loads((tiny_model / "config.json").read_text())["hidden_dropout_prob"] > 0
    return tiny_model


@pytest.fixture
def arguments(tmp_path: Path, dropout_model: Path, tiny_data: Path) -> list[object]:
    (tmp_path / "noisy.py").write_text(PLUGIN)
    settings = ["training.epochs=4", "training.batch_size=8", "training.select_every=7", "training.learning_rate=5e-3"]
    return [
        *("run", "--task", "pos", "--method", "noisy", "--plugin", tmp_path / "noisy.py"),
        *("--model", dropout_model, "--data-dir", tiny_data, "--set", "checkpoint_steps=4"),
        *(part for setting in settings for part in ("--set", setting)),
    ]


def run_folder(output: Path) -> Path:
    (document,) = output.rglob("result.json")
    return document.parent


def document(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def comparable(folder: Path) -> dict:
    """The document without what may differ: times."""
    whole = document(folder)
    for key in ("started", "updated"):
        del whole[key]
    for key in ("seconds", "examples_per_second", "peak_memory_bytes"):
        del whole["training"][key]
    for row in whole["scores"]:
        del row["seconds"]
    return whole


def test_killed_mid_step_then_between_languages_ends_with_the_same_weights(
    tmp_path: Path, xrobust: Command, arguments: list[object]
) -> None:
    # Of an interpreter of its own, so that it has another hash seed than the one that is killed.
    whole = xrobust(*arguments, "--output", tmp_path / "whole", fresh=True)
    assert whole.returncode == 0, whole.stderr

    output = tmp_path / "killed"
    killed = xrobust(*arguments, "--output", output, env={"SIGNAL": "SIGKILL", "SIGNAL_AT_CALL": "15"})
    assert killed.returncode == -signal.SIGKILL
    folder = run_folder(output)
    assert document(folder)["status"] == "running"
    assert document(folder)["training"] is None
    # Steps 4, 8 and 12 had their checkpoints; the last two are kept.
    assert sorted(p.name for p in (folder / "checkpoints").glob("step-*")) == ["step-00000008", "step-00000012"]

    again = xrobust(*arguments, "--output", output, env={"SIGNAL_AT_LANGUAGE": "de"})
    assert again.returncode == -signal.SIGKILL
    assert document(folder)["training"]["steps"] == 24
    assert [row["language"] for row in document(folder)["scores"] if row["metric"] == "accuracy"] == ["de"]

    last = xrobust(*arguments, "--output", output)
    assert last.returncode == 0, last.stderr
    assert "train:" not in last.stdout, "training had ended: it is not done again"
    assert document(folder)["status"] == "complete"

    uninterrupted = run_folder(tmp_path / "whole")
    ours = load_file(folder / "model" / "model.safetensors")
    theirs = load_file(uninterrupted / "model" / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert comparable(folder) == comparable(uninterrupted)
    assert not (folder / "checkpoints").exists()


def test_force_goes_on_with_a_run_that_was_stopped(tmp_path: Path, xrobust: Command, arguments: list[object]) -> None:
    forced = [*arguments, "--output", tmp_path / "runs", "--languages", "de", "--force"]
    stopped = xrobust(*forced, env={"SIGNAL": "SIGINT", "SIGNAL_AT_CALL": "10"})
    assert stopped.returncode == 130
    assert "the same command goes on" in stopped.stderr
    last = xrobust(*forced)
    assert last.returncode == 0, last.stderr
    folder = run_folder(tmp_path / "runs")
    log = (folder / "run.log").read_text()
    assert log.count(f"run {folder.name}, ") == 2, "both are in the log: nothing was deleted"
    assert log.count("step 7 dev") == 1 and log.count("step 14 dev") == 1, "the steps before the stop were done once"
    assert document(folder)["training"]["steps"] == 24


def test_another_micro_batch_size_on_the_way_is_warned_about(
    tmp_path: Path, xrobust: Command, arguments: list[object]
) -> None:
    arguments = [*arguments, "--output", tmp_path / "runs", "--languages", "de"]
    stopped = xrobust(*arguments, env={"SIGNAL": "SIGINT", "SIGNAL_AT_CALL": "6"})
    assert stopped.returncode == 130
    last = xrobust(*arguments, "--set", "micro_batch_size=4")
    assert last.returncode == 0, last.stderr
    (warning,) = document(run_folder(tmp_path / "runs"))["warnings"]
    assert warning.startswith("resumed with micro_batch_size 4 after unset: dropout and noise are other draws")
    assert f"warning: {warning}" in last.stdout


def test_what_is_warned_about_when_a_run_goes_on(finished_run: Path) -> None:
    before = load_result(finished_run).environment
    assert _resumed_otherwise(before, before) == []
    here = before.model_copy(update={"world_size": 3, "threads": before.threads + 1})
    threads, processes = _resumed_otherwise(before, here)
    assert threads.startswith(f"resumed with {here.threads} threads after {before.threads}: ")
    assert processes.startswith("resumed with 3 processes after 1: dropout and noise are other draws")


def test_ctrl_c_writes_a_checkpoint_after_the_step_and_the_same_command_goes_on(
    tmp_path: Path, xrobust: Command, arguments: list[object]
) -> None:
    output = tmp_path / "runs"
    stopped = xrobust(*arguments, "--output", output, env={"SIGNAL": "SIGINT", "SIGNAL_AT_CALL": "6"})
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines() == ["xrobust: interrupted; the same command goes on from the last checkpoint"]
    folder = run_folder(output)
    assert document(folder)["status"] == "interrupted"
    assert (folder / "checkpoints" / "step-00000006").is_dir()
    resumed = xrobust(*arguments, "--output", output)
    assert resumed.returncode == 0, resumed.stderr
    assert document(folder)["training"]["steps"] == 24

    done = xrobust(*arguments, "--output", output)
    assert done.returncode == 0
    assert "already complete" in done.stdout
