"""Checkpoints whose sums fit and whose content does not: said, and the one before is used."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xrobust.storage.checksums import SUMS, format_sums, read_sums
from xrobust.storage.hashing import file_sha256
from xrobust.training.checkpoint_content import ExpectedContent
from xrobust.training.checkpoints import OPTIMISER, PROGRESS, WEIGHTS, Checkpoints
from xrobust.training.schedule import parameter_groups
from xrobust.training.state import TrainerState, best_name

TOTAL = 9


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


@pytest.fixture
def adam(model: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameter_groups(model, 0.01), lr=0.1)


@pytest.fixture
def checkpoints(tmp_path: Path, model: nn.Module, adam: torch.optim.AdamW) -> Checkpoints:
    """Of steps 3 and 6 of a training, as the loop writes them."""
    written = Checkpoints(tmp_path / "checkpoints", keep_all=False)
    for step in (3, 6):
        model(torch.ones(2, 3)).sum().backward()
        adam.step()
        weights = {name: p.detach().clone() for name, p in model.named_parameters()}
        curve, dev = [{"step": step, "loss": 0.5, "learning_rate": 0.1}], [{"step": step, "value": 0.25}]
        best = written.save_best(step, weights)
        state = TrainerState(step=step, best=best, best_step=step, best_value=0.25, curve=curve, dev=dev)
        written.save(step, weights, {"optimiser": adam.state_dict(), "scaler": None}, asdict(state))
    return written


def expected(model: nn.Module, scaler: Any = None) -> ExpectedContent:
    fresh = torch.optim.AdamW(parameter_groups(model, 0.01), lr=0.3)
    return ExpectedContent(model, fresh, scaler, TOTAL)


def newest(checkpoints: Checkpoints, model: nn.Module, warn: Callable[[str], Any] = pytest.fail) -> str | None:
    found = checkpoints.newest(warn, expected(model))
    return None if found is None else found.name


def test_what_the_loop_writes_fits(checkpoints: Checkpoints, model: nn.Module) -> None:
    assert newest(checkpoints, model) == "step-00000006"
    path = checkpoints.folder / "step-00000006"
    weights, optimiser, progress = checkpoints.load(path)  # what was just read
    again = Checkpoints(checkpoints.folder, keep_all=False).load(path)  # as another process reads it
    assert weights.keys() == again[0].keys() and all(torch.equal(weights[name], again[0][name]) for name in weights)
    assert optimiser["optimiser"]["param_groups"] == again[1]["optimiser"]["param_groups"]
    assert progress == again[2] and TrainerState.from_checkpoint(progress).curve[0]["step"] == 6


def tensors(change: Callable[[dict[str, torch.Tensor]], Any], name: str = WEIGHTS) -> Callable[[Path], Path]:
    def rewrite(path: Path) -> Path:
        file = path / name if name == WEIGHTS else path.parent / name
        content = load_file(file)
        change(content)
        save_file(content, file)
        return file

    return rewrite


def optimiser(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    def rewrite(path: Path) -> Path:
        state = torch.load(path / OPTIMISER, weights_only=True)
        changed = change(state)
        torch.save(state if changed is None else changed, path / OPTIMISER)
        return path / OPTIMISER

    return rewrite


def progress(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    def rewrite(path: Path) -> Path:
        state = json.loads((path / PROGRESS).read_text())
        change(state)
        (path / PROGRESS).write_text(json.dumps(state))
        return path / PROGRESS

    return rewrite


def whole(name: str, content: bytes) -> Callable[[Path], Path]:
    def rewrite(path: Path) -> Path:
        (path / name).write_bytes(content)
        return path / name

    return rewrite


BEST = best_name(6)
MUTANTS: dict[str, Callable[[Path], Path]] = {
    "a tensor missing": tensors(lambda t: t.pop("0.bias")),
    "a tensor too many": tensors(lambda t: t.update(x=torch.ones(1))),
    "a tensor of another shape": tensors(lambda t: t.update({"0.bias": torch.ones(5)})),
    "no tensors": whole(WEIGHTS, b"\x08\0\0\0\0\0\0\0{}      "),
    "no safetensors": whole(WEIGHTS, b"plain text"),
    "best weights of another shape": tensors(lambda t: t.update({"2.weight": torch.ones(2)}), BEST),
    "best weights of another name": tensors(lambda t: t.update(y=t.pop("2.weight")), BEST),
    "no moments": optimiser(lambda s: s["optimiser"].update(state={})),
    "moments of another shape": optimiser(lambda s: s["optimiser"]["state"][0].update(exp_avg=torch.ones(7))),
    "moments of two parameters exchanged": optimiser(
        lambda s: s["optimiser"]["state"].update({0: s["optimiser"]["state"][1], 1: s["optimiser"]["state"][0]})
    ),
    "a moment missing": optimiser(lambda s: s["optimiser"]["state"][1].pop("exp_avg_sq")),
    "moments of no parameter": optimiser(lambda s: s["optimiser"]["state"].update({99: s["optimiser"]["state"][0]})),
    "moments that are text": optimiser(lambda s: s["optimiser"]["state"].update({0: "text"})),
    "a group missing": optimiser(lambda s: s["optimiser"]["param_groups"].pop()),
    "another weight decay": optimiser(lambda s: s["optimiser"]["param_groups"][0].update(weight_decay=0.5)),
    "the state of a scaler": optimiser(lambda s: s.update(scaler={"scale": 2.0})),
    "a list": optimiser(lambda s: [1, 2]),
    "a tensor": optimiser(lambda s: torch.ones(3)),
    "no optimiser": optimiser(lambda s: s.pop("optimiser")),
    "a pickle of code": whole(OPTIMISER, pickle.dumps(print)),
    "an empty file": whole(OPTIMISER, b""),
    "plain text": whole(OPTIMISER, b"plain text"),
    "progress of another step": progress(lambda p: p.update(step=5)),
    "progress without its step": progress(lambda p: p.pop("step")),
    "progress beyond the end": progress(lambda p: p.update(step=600)),
    "a step that is text": progress(lambda p: p.update(step="6")),
    "a curve that is a number": progress(lambda p: p.update(curve=3)),
    "a field that is not known": progress(lambda p: p.update(other=3)),
    "another name of the best weights": progress(lambda p: p.update(best="../../model/model.safetensors")),
    "best weights that are not in the sums": progress(lambda p: p.update(best=best_name(3), best_step=3)),
    "progress that is a list": whole(PROGRESS, b"[]"),
    "progress that is no JSON": whole(PROGRESS, b"{"),
    "progress that is not UTF-8": whole(PROGRESS, b"\xff"),
    "progress that is null": whole(PROGRESS, b"null"),
}


@pytest.mark.parametrize("how", MUTANTS)
def test_content_that_is_another_is_said_and_the_checkpoint_before_is_used(
    how: str, checkpoints: Checkpoints, model: nn.Module
) -> None:
    path = checkpoints.folder / "step-00000006"
    file = MUTANTS[how](path)
    sums = read_sums(path / SUMS)
    name = file.name if file.parent == path else f"../{file.name}"
    (path / SUMS).write_text(format_sums(sums | {name: file_sha256(file)}))
    said: list[str] = []
    assert newest(checkpoints, model, said.append) == "step-00000003"
    (line,) = said
    named = path / SUMS if how == "best weights that are not in the sums" else file
    assert line.startswith(f"{named} is damaged (") and "\n" not in line and "weights_only" not in line
    assert line.endswith("): training goes on from the older checkpoint step-00000003")
    assert checkpoints.load(checkpoints.folder / "step-00000003")[2]["step"] == 3


def test_of_a_training_with_another_precision(checkpoints: Checkpoints, model: nn.Module) -> None:
    said: list[str] = []
    assert checkpoints.newest(said.append, expected(model, scaler=object())) is None
    assert said[0].endswith(": training begins anew") and "gradient scaler" in said[0]
