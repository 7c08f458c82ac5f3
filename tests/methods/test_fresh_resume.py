"""Runs of the built-in methods that are killed and started again end as if nothing had happened, bit for bit.

What `tests/training/test_resume.py` shows of the loop, here of methods that draw: new data each epoch, noise, dropout.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fork_server import Pythons
from safetensors.torch import load_file

from xrobust import RunSpec, run
from xrobust.results.schema import RunResult

Killed = Callable[[RunSpec, int], None]

PROGRAM = """
import os, signal, sys

from torch.optim.optimizer import register_optimizer_step_pre_hook

from xrobust import RunSpec, run


def before_step(optimiser, args, kwargs):
    # AdamW counts its steps, and goes on counting when a run is resumed.
    done = max((int(state["step"]) for state in optimiser.state.values()), default=0)
    if done == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)


register_optimizer_step_pre_hook(before_step)
run(RunSpec.model_validate_json(sys.argv[2]))
"""


@pytest.fixture
def killed(pythons: Pythons, tmp_path: Path) -> Killed:
    """Starts a run that is killed after a number of steps, in a process of its own."""

    def start(spec: RunSpec, steps: int) -> None:
        done = pythons.run("-c", PROGRAM, steps, spec.model_dump_json(), cwd=tmp_path)
        assert done.returncode == -signal.SIGKILL, done.stderr

    return start


@pytest.fixture
def settings(tiny_model: Path, tiny_data: Path) -> dict[str, Any]:
    """18 steps, 6 an epoch; checkpoints at 4, 8, 12 and 16; the last weights are those that are kept."""
    assert json.loads((tiny_model / "config.json").read_text())["hidden_dropout_prob"] > 0
    return {
        "task": "pawsx",
        "model": str(tiny_model),
        "data_dir": tiny_data,
        "languages": ("de",),
        "checkpoint_steps": 4,
        "training": {"epochs": 3, "batch_size": 8, "select_every": 18, "learning_rate": 5e-3},
    }


def folder(output: Path) -> Path:
    """The folder of the one run in it."""
    (path,) = output.rglob("result.json")
    return path.parent


def checkpoints(output: Path) -> list[int]:
    """The steps that have one."""
    return sorted(int(path.name[5:]) for path in (folder(output) / "checkpoints").glob("step-*"))


def weights(output: Path) -> dict[str, torch.Tensor]:
    (file,) = (folder(output) / "model").glob("*.safetensors")
    return load_file(file)


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def what_came_of_it(result: RunResult) -> dict[str, Any]:
    """Everything that training and scoring computed, without times."""
    document = result.model_dump(exclude={"training": {"seconds", "examples_per_second", "peak_memory_bytes"}})
    scores = [(row.language, row.metric, row.value, row.ci_low, row.ci_high) for row in result.scores]
    return {**{key: document[key] for key in ("run_id", "status", "training", "warnings", "data")}, "scores": scores}


@pytest.mark.parametrize(
    ("method", "params", "kills"),
    [
        # Steps 5 to 7 are lost, the start of an epoch among them; then 13 to 15, after a checkpoint on an epoch's end.
        ("rs_aug", {"mode": "fresh"}, {7: [4], 15: [8, 12]}),
        ("rs_aug+rs_random", {"mode": "fresh", "samples": 2}, {15: [8, 12]}),
        ("adversarial+lora", {"steps": 1}, {7: [4]}),
    ],
)
def test_a_killed_run_ends_with_the_same_weights(
    tmp_path: Path,
    settings: dict[str, Any],
    killed: Killed,
    method: str,
    params: dict[str, Any],
    kills: dict[int, list[int]],
) -> None:
    def spec(name: str) -> RunSpec:
        return RunSpec(method=method, method_params=params, output=tmp_path / name, **settings)

    for steps, kept in kills.items():
        killed(spec("killed"), steps)
        assert checkpoints(tmp_path / "killed") == kept
    went_on, whole = run(spec("killed")), run(spec("whole"))
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    assert what_came_of_it(went_on) == what_came_of_it(whole)


def test_fresh_draws_reach_the_weights(tmp_path: Path, settings: dict[str, Any]) -> None:
    """So that the test above says something: one draw kept for all epochs gives another model, in as many steps."""
    fresh, kept = (
        run(RunSpec(method="rs_aug", method_params=params, output=tmp_path / name, **settings))
        for name, params in (("fresh", {"mode": "fresh"}), ("kept", {"copies": 1}))
    )
    assert fresh.training is not None and kept.training is not None
    assert fresh.training.budget.steps == kept.training.budget.steps == 18
    assert not equal(weights(tmp_path / "fresh"), weights(tmp_path / "kept"))
