"""One process and two: the same predictions and scores, and a training that agrees."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from xrobust import RunSpec, load_predictions, run
from xrobust.cli.main import main
from xrobust.engine.accelerator import accelerator
from xrobust.errors import UserError
from xrobust.runtime.processes import _stop, relaunch
from xrobust.training import loop
from xrobust.training.step_sync import StepSync

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def on_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes on the CPU: two processes cannot share one GPU."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def run_folder(output: Path) -> Path:
    (document,) = output.rglob("result.json")
    return document.parent


EACH_STEP = """
import os
from functools import partial

import torch

from xrobust.contracts import Method, MethodInfo
from xrobust.training import loop

if "RANK" in os.environ:
    loop.StepSync = partial(loop.StepSync, log_every=1)
    loop.MicroBatcher = partial(loop.MicroBatcher, probes=True)  # as on GPUs


class Scarce(Method):
    info = MethodInfo(name="scarce", summary="the second of several processes has memory for one input at a time")

    def objective(self, inner, ctx):
        def objective(forward, batch):
            loss = inner(forward, batch)
            if os.environ.get("RANK") == "1" and len(batch.labels) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return loss

        return objective
"""


def test_two_processes_train_and_score_what_one_does(
    tmp_path: Path, xrobust: Command, no_dropout: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step, on tags: sentences differ in their number of words, and a mean of the processes' means would be
    another loss. One process accumulates over micro-batches of 3. Of the two, the second has memory for a single input:
    both learn of it before they begin."""
    (tmp_path / "scarce.py").write_text(EACH_STEP)
    # 23 examples in batches of 4: the last has 3, which two processes share unevenly.
    training = {"epochs": 9, "batch_size": 4, "learning_rate": 2e-3}
    spec = RunSpec(
        task="pos",
        method="scarce",
        plugins=(tmp_path / "scarce.py",),
        model=str(no_dropout),
        data_dir=tiny_data,
        limit=23,
        training=training,
        micro_batch_size=3,
        output=tmp_path / "one",
    )
    monkeypatch.setattr(loop, "StepSync", partial(StepSync, log_every=1))
    run(spec)
    two = xrobust(
        *("run", "--task", "pos", "--method", "scarce", "--plugin", tmp_path / "scarce.py", "--model", no_dropout),
        *("--data-dir", tiny_data, "--limit", "23", "--output", tmp_path / "two", "--num-processes", "2"),
        *(part for name, value in training.items() for part in ("--set", f"training.{name}={value}")),
        env={"OMP_NUM_THREADS": "1"},
    )
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("average ") == 1, "one process prints"

    documents = [json.loads((run_folder(tmp_path / n) / "result.json").read_text()) for n in ("one", "two")]
    assert [d["environment"]["world_size"] for d in documents] == [1, 2]
    assert [d["training"]["micro_batch_size"] for d in documents] == [None, 1], "what fits on both"
    assert documents[0]["run_id"] == documents[1]["run_id"], "the number of processes is no part of a run's identity"
    losses = [[point["loss"] for point in d["training"]["curve"]] for d in documents]
    assert len(losses[0]) == 54 and losses[0][-1] < losses[0][0] - 0.5
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)

    folders = [run_folder(tmp_path / n) for n in ("one", "two")]
    assert all("only they are held" in (folder / "run.log").read_text() for folder in folders), "word embeddings"
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in folders)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    for language in ("de", "en", "fr"):
        ours, theirs = (load_predictions(folder, language) for folder in folders)
        assert [(row["id"], row["prediction"]) for row in ours] == [(row["id"], row["prediction"]) for row in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            assert mine["scores"] == pytest.approx(other["scores"], abs=1e-4)
    for mine, other in zip(*(document["scores"] for document in documents), strict=True):
        assert (mine["language"], mine["metric"]) == (other["language"], other["metric"])
        rounding = 1e-4 if mine["metric"] == "ece" else 0  # it is made of probabilities
        values = [[row[name] for name in ("value", "ci_low", "ci_high")] for row in (mine, other)]
        assert values[0] == pytest.approx(values[1], rel=0, abs=rounding)
    assert documents[0]["training"]["dev"] == documents[1]["training"]["dev"]


PLUGIN = """
import os, signal

from xrobust.contracts import Method, MethodInfo


class Stops(Method):
    info = MethodInfo(name="stops", summary="Ctrl-C to all, as a terminal sends it, or SIGTERM to one that is not main")

    def objective(self, inner, ctx):
        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            if calls == 5 and os.environ.get("STOP") == "SIGINT" and os.environ["RANK"] == "0":
                os.killpg(os.getpgrp(), signal.SIGINT)
            if calls == 5 and os.environ.get("STOP") == "SIGTERM" and os.environ["RANK"] == "1":
                os.kill(os.getpid(), signal.SIGTERM)
            return inner(forward, batch)

        return objective
"""


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        ("SIGINT", 130, "interrupted; the same command goes on from the last checkpoint"),
        ("SIGTERM", 75, "terminated; the same command goes on from the last checkpoint (exit code 75: start it again)"),
    ],
)
def test_two_processes_stop_after_the_same_step(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, stop: str, code: int, said: str
) -> None:
    (tmp_path / "stops.py").write_text(PLUGIN)
    arguments = [
        *("run", "--task", "pos", "--method", "stops", "--plugin", tmp_path / "stops.py"),
        *("--model", tiny_model, "--data-dir", tiny_data, "--output", tmp_path / "runs", "--languages", "de"),
        *("--set", "training.batch_size=8", "--set", "checkpoint_steps=2", "--num-processes", "2"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "xrobust", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
        env={**os.environ, "STOP": stop},
    )
    assert done.stderr.splitlines() == [f"xrobust: {said}"]
    assert done.returncode == code
    folder = run_folder(tmp_path / "runs")
    assert json.loads((folder / "result.json").read_text())["status"] == "interrupted"
    assert sorted(path.name for path in (folder / "checkpoints").glob("step-*")) == ["step-00000004", "step-00000005"]
    run(
        RunSpec(
            task="pos",
            model=str(tiny_model),
            data_dir=tiny_data,
            output=tmp_path / "one",
            languages=("de",),
            training={"batch_size": 8, "max_steps": 6},
            checkpoint_steps=5,
            keep_checkpoints="all",
        )
    )
    two, one = (
        json.loads((path / "checkpoints" / "step-00000005" / "progress.json").read_text())
        for path in (folder, run_folder(tmp_path / "one"))
    )
    assert two["tokens"] == one["tokens"] > 0, "counted over all processes"


CHILD = """
import signal, sys

def stop(number, frame):
    sys.exit(int(sys.argv[1]))

signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(("codes", "expected"), [((75, 75), 75), ((0, 0), 0), ((1, 75), 75)])
def test_a_signal_is_passed_on_to_all_processes(codes: tuple[int, ...], expected: int) -> None:
    children = [
        subprocess.Popen([sys.executable, "-S", "-c", CHILD, str(code)], stdout=subprocess.PIPE) for code in codes
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    assert _stop(children, signal.SIGTERM) == expected
    for child in children:
        child.communicate()
    assert tuple(child.returncode for child in children) == codes


def test_a_process_that_the_system_ended_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`xrobust` that is killed at once in the second process; the first waits for it in vain."""
    code = "import os, time; time.sleep(60) if os.environ['RANK'] == '0' else os.kill(os.getpid(), 9)"
    popen = subprocess.Popen
    monkeypatch.setattr(
        "xrobust.runtime.processes.subprocess.Popen",
        lambda command, **settings: popen([sys.executable, "-S", "-c", code], **settings),
    )
    monkeypatch.setattr("xrobust.runtime.processes._end", lambda process: (process.kill(), process.wait()))
    assert relaunch(2, ["run"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("xrobust: process 1 was ended by SIGKILL (as the system does when memory runs out); ")


def test_a_process_that_misses_a_killed_one_leaves_the_word_to_its_starter(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second process is killed; the first, the real command, finds that it is gone, or is ended later."""
    main_process = """
import sys
from xrobust.cli import main
from xrobust.runtime.processes import PeerLost

def lost(*arguments, **settings):
    raise PeerLost(" (traceback in run.log)")

main.app = lost
main.main(["run"])
"""
    code = f"import os; os.environ['RANK'] == '1' and os.kill(os.getpid(), 9); exec({main_process!r})"
    popen = subprocess.Popen
    monkeypatch.setattr(
        "xrobust.runtime.processes.subprocess.Popen",
        lambda command, **settings: popen([sys.executable, "-c", code], **settings),
    )
    assert relaunch(2, ["run"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("xrobust: process 1 was ended by SIGKILL ")


def test_modules_of_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("yaml", "typer", "pydantic", "xrobust"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}-was-run', 'w')")
    monkeypatch.chdir(tmp_path)
    assert relaunch(2, ["list", "presets"]) == 0
    assert capfd.readouterr().out.count("mini") == 2
    assert list(tmp_path.glob("*-was-run")) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("xrobust: the reason\n[rank1]:[W1127 ProcessGroupNCCL.cpp:1575] Warning: it was not ended\n", "the reason"),
        ("Traceback\nKeyError: 'a'\n", None),
        ("", None),
    ],
)
def test_the_reason_that_a_process_gives_is_told_from_what_libraries_write(
    output: str, said: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second process fails while the first waits for it, until it is killed."""
    code = (
        f"import os, sys, time; time.sleep(60 * (os.environ['RANK'] == '0')); sys.stderr.write({output!r}); sys.exit(2)"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        "xrobust.runtime.processes.subprocess.Popen",
        lambda command, **settings: popen([sys.executable, "-S", "-c", code], **settings),
    )
    monkeypatch.setattr("xrobust.runtime.processes._end", lambda process: (process.kill(), process.wait()))
    assert relaunch(2, ["run"]) == 2
    expected = f"xrobust: {said}" if said else (output.splitlines() or ["ended without a word"])[-1]
    assert capsys.readouterr().err.splitlines() == [f"process 1: {expected}"]


@pytest.mark.parametrize(
    ("gpus", "processes", "on_cpu", "refused"),
    [
        (0, 4, "false", None),
        (4, 4, "false", None),
        (8, 4, "false", None),
        (1, 2, "false", "2 processes on this machine, which has 1 GPU: each"),
        (2, 3, "false", "3 processes on this machine, which has 2 GPUs: each"),
        (1, 2, "true", None),
    ],
)
@pytest.mark.parametrize("launcher", [False, True])
def test_more_processes_than_gpus_are_refused(
    gpus: int, processes: int, on_cpu: str, refused: str | None, launcher: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any is started; and by each process that another launcher started."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", on_cpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    started: list[dict[str, str]] = []

    class Begins(Exception):
        pass

    def begins(*given: object, env: dict[str, str] | None = None, **more: object) -> None:
        started.append(env or {})
        raise Begins

    monkeypatch.setattr("xrobust.runtime.processes.subprocess.Popen", begins)
    monkeypatch.setattr("accelerate.Accelerator", begins)
    with pytest.raises(UserError if refused else Begins, match=refused):
        accelerator("fp32") if launcher else relaunch(processes, ["run"])
    assert len(started) == (refused is None)
    if started and not launcher:
        assert (started[0]["ACCELERATE_USE_CPU"] == "true") == (gpus == 0 or on_cpu == "true")


def test_the_same_model_scored_by_one_process_and_by_two(
    tmp_path: Path, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    trained = xrobust(
        *("run", "--task", "xnli", "--model", tiny_model, "--data-dir", tiny_data, "--languages", "en"),
        *("--set", "training.epochs=1", "--output", tmp_path / "one"),
    )
    assert trained.returncode == 0, trained.stderr
    one = run_folder(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = run_folder(tmp_path / "two")
    for folder, processes in ((one, 1), (two, 2)):
        scored = xrobust("eval", folder, "--languages", "de,fr", "--num-processes", processes)
        assert scored.returncode == 0, scored.stderr
    for language in ("de", "fr"):
        assert load_predictions(one, language) == load_predictions(two, language)
        assert len(load_predictions(two, language)) == 24

    def scores(folder: Path) -> list[dict[str, object]]:
        rows = json.loads((folder / "result.json").read_text())["scores"]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    assert scores(one) == scores(two)
    assert list(dict.fromkeys(row["language"] for row in scores(two))) == ["en", "de", "fr"]


@pytest.mark.parametrize("command", ["run", "eval"])
def test_the_processes_get_the_arguments_that_main_was_given(
    monkeypatch: pytest.MonkeyPatch, command: str, finished_run: Path, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """And not those of the program that called it."""
    started: list[tuple[int, list[str]]] = []
    monkeypatch.setattr("xrobust.runtime.processes.relaunch", lambda n, given: started.append((n, list(given))) or 0)
    monkeypatch.setattr("sys.argv", ["a_program", "--of", "its", "own"])
    monkeypatch.chdir(tmp_path)
    arguments = {
        "run": ["run", "--task", "pos", "--model", str(tiny_model), "--data-dir", str(tiny_data), "--limit", "8"],
        "eval": ["eval", str(finished_run), "--languages", "de"],
    }[command]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--num-processes", "2"])
    assert ended.value.code == 0
    assert started == [(2, arguments)]
