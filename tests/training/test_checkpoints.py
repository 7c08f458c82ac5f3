"""Training checkpoints: which are kept, what they hold, and what a kill in the middle of one leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.errors import RunError
from xrobust.training.checkpoint_content import ExpectedContent
from xrobust.training.checkpoints import Checkpoints


def weights(step: int) -> dict[str, torch.Tensor]:
    return {"w": torch.full((3, 2), float(step)), "b": torch.arange(4.0) * step}


def optimiser(step: int) -> dict[str, Any]:
    """The state of a real AdamW after a step."""
    parameter = torch.nn.Parameter(torch.ones(3))
    adam = torch.optim.AdamW([parameter], lr=0.1 * step)
    parameter.grad = torch.arange(3.0)
    adam.step()
    return {"optimiser": adam.state_dict(), "scaler": None}


class Anything(ExpectedContent):
    """What is in the files is not looked at here: tests/training/test_checkpoint_content.py does."""

    def __init__(self) -> None: ...

    def require_weights(self, *content: Any) -> None: ...

    def require_best(self, *content: Any) -> None: ...

    def require_optimiser(self, *content: Any) -> None: ...

    def require_progress(self, *content: Any, step: int) -> None: ...


def latest(checkpoints: Checkpoints, warnings: list[str] | None = None) -> tuple[Any, Any, Any] | None:
    """What training would go on from, and what it would say."""
    path = checkpoints.newest(pytest.fail if warnings is None else warnings.append, Anything())
    return None if path is None else checkpoints.load(path)


def steps(checkpoints: Checkpoints) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in checkpoints.folder.glob("step-*"))


def bests(checkpoints: Checkpoints) -> set[str]:
    return {path.name for path in checkpoints.folder.glob("best-*")}


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_latest_is_what_was_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep_all=False)
    assert latest(checkpoints) is None
    progress = {"step": 9, "best": None, "curve": [{"loss": 0.1 + 0.2, "step": 1}], "best_value": 1 / 3}
    for step in (7, 9):
        path = checkpoints.save(step, weights(step), optimiser(step), {**progress, "step": step})
        assert path == tmp_path / "checkpoints" / f"step-{step:08d}"
    found = latest(Checkpoints(tmp_path / "checkpoints", keep_all=False))
    assert found is not None
    assert same(found[0], weights(9))
    state = found[1]["optimiser"]
    expected = optimiser(9)["optimiser"]
    assert state["param_groups"] == expected["param_groups"]
    assert same(state["state"][0], expected["state"][0])
    assert found[2] == progress, "numbers come back to the last bit"


def test_the_latest_has_the_highest_step(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=True)
    for step in (2, 10, 9):
        checkpoints.save(step, weights(step), {}, {"step": step})
    found = latest(checkpoints)
    assert found is not None and found[2] == {"step": 10}


def test_a_step_saved_again_replaces_the_first(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=False)
    checkpoints.save(4, weights(1), {}, {"step": 4, "which": "first"})
    checkpoints.save(4, weights(2), {}, {"step": 4, "which": "second"})
    found = latest(checkpoints)
    assert found is not None and same(found[0], weights(2)) and found[2]["which"] == "second"
    assert steps(checkpoints) == [4]


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=False)
    for step in range(10, 60, 10):
        checkpoints.save(step, weights(step), {}, {"step": step})
        assert steps(checkpoints) == [s for s in (step - 10, step) if s >= 10]


def test_all_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=True)
    names = set()
    for step in range(1, 6):
        names.add(checkpoints.save_best(step, weights(step)))
        checkpoints.save(step, weights(step), {}, {"step": step, "best": f"best-{step:08d}.safetensors"})
    assert steps(checkpoints) == [1, 2, 3, 4, 5]
    assert bests(checkpoints) == names and len(names) == 5


@settings(deadline=None, max_examples=25)  # each waits for the disk
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_the_best_that_kept_checkpoints_need_are_kept(events: list[tuple[bool, bool]]) -> None:
    """At every step there may be better weights, and a checkpoint: whatever is resumed from finds its best weights."""
    with TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), keep_all=False)
        best: str | None = None
        saved: dict[int, str | None] = {}
        for step, (better, save) in enumerate(events, start=1):
            if better:
                best = checkpoints.save_best(step, weights(step))
            if save:
                checkpoints.save(step, weights(step), {}, {"step": step, "best": best})
                saved[step] = best
                kept = sorted(saved)[-2:]
                assert steps(checkpoints) == kept
                assert bests(checkpoints) == {saved[s] for s in kept} - {None}, "no more and no fewer"
        if best is not None:
            assert same(checkpoints.load_best(best), weights(int(best[5:13])))
        found = latest(checkpoints)
        assert (found is None) == (not saved)
        if found is not None and found[2]["best"] is not None:
            assert same(checkpoints.load_best(found[2]["best"]), weights(int(found[2]["best"][5:13])))


def test_what_a_kill_leaves_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=False)
    checkpoints.save(3, weights(3), {}, {"step": 3})
    half = tmp_path / ".step-00000006.12345.tmp"
    half.mkdir()
    (half / "trainable.safetensors").write_bytes(b"half")
    copied = tmp_path / "step-00000009"  # by hand: without the file that is written last
    copied.mkdir()
    (copied / "trainable.safetensors").write_bytes(b"half")
    said: list[str] = []
    found = latest(checkpoints, said)
    assert found is not None and found[2] == {"step": 3}
    assert said == [
        f"{copied / 'SHA256SUMS'} is damaged (it does not have trainable.safetensors): "
        "training goes on from the older checkpoint step-00000003"
    ]
    checkpoints.save(6, weights(6), {}, {"step": 6})
    assert not half.exists(), "nor does it stay for ever"
    checkpoints.save(9, weights(9), {}, {"step": 9})
    found = latest(checkpoints)
    assert found is not None and same(found[0], weights(9)), "the step that was half there is whole now"
    assert steps(checkpoints) == [6, 9]


@pytest.mark.parametrize("keep_all", [False, True])
def test_a_failing_write_leaves_the_checkpoints_before(
    tmp_path: Path, keep_all: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=keep_all)
    best = checkpoints.save_best(2, weights(2))
    for step in (2, 3):
        checkpoints.save(step, weights(step), {}, {"step": step, "best": best})
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xrobust.training.checkpoints.torch.save", full)
    with pytest.raises(RunError, match=r"cannot write .*step-00000004: No space left on device$"):
        checkpoints.save(4, weights(4), {}, {"step": 4, "best": best})
    monkeypatch.setattr("xrobust.training.checkpoints.save_file", full)
    with pytest.raises(RunError, match=r"cannot write .*best-00000004\.safetensors: No space left on device$"):
        checkpoints.save_best(4, weights(4))
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink], ids=["cut", "flipped", "gone"])
@pytest.mark.parametrize(
    "file", ["trainable.safetensors", "optimiser.pt", "progress.json", "SHA256SUMS", "../best-00000006.safetensors"]
)
def test_a_damaged_file_is_said_and_the_checkpoint_before_is_used(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    written = Checkpoints(tmp_path, keep_all=False)
    for step in (3, 6):
        best = written.save_best(step, weights(step))
        written.save(step, weights(step), optimiser(step), {"step": step, "best": best})
    damage(tmp_path / "step-00000006" / file)

    checkpoints, said = Checkpoints(tmp_path, keep_all=False), list[str]()
    found = latest(checkpoints, said)
    assert found is not None and found[2] == {"step": 3, "best": "best-00000003.safetensors"}
    assert same(checkpoints.load_best(found[2]["best"]), weights(3))
    assert len(said) == 1 and "\n" not in said[0]
    assert said[0].startswith(str(tmp_path)) and Path(file).name in said[0]
    assert said[0].endswith(": training goes on from the older checkpoint step-00000003")

    # One that comes between the two is not dropped for the sake of the damaged one, which is of a later step.
    checkpoints.save(5, weights(5), optimiser(5), {"step": 5, "best": "best-00000003.safetensors"})
    assert steps(checkpoints) == [3, 5]
    assert bests(checkpoints) == {"best-00000003.safetensors"}

    damage(tmp_path / "best-00000003.safetensors")
    said.clear()
    assert latest(checkpoints, said) is None
    assert len(said) == 1 and said[0].endswith(": training begins anew")
    with pytest.raises(
        RunError, match=r"best-00000003\.safetensors is .*: the same command trains on from a checkpoint"
    ):
        checkpoints.load_best("best-00000003.safetensors")


def test_no_checkpoint_refers_to_best_weights_that_are_not_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=False)
    with pytest.raises(RunError, match=r"cannot write .*step-00000003: No such file"):
        checkpoints.save(3, weights(3), {}, {"step": 3, "best": "best-00000003.safetensors"})
    assert list(tmp_path.iterdir()) == []


def test_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_all=False)
    best = checkpoints.save_best(1, weights(1))
    path = checkpoints.save(1, weights(1), optimiser(1), {"step": 1, "best": best})
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=path, capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stdout.count(": OK") == 4, checked.stdout + checked.stderr


def test_progress_is_plain_json(tmp_path: Path) -> None:
    path = Checkpoints(tmp_path, keep_all=False).save(1, weights(1), {}, {"step": 1, "best_value": float("-inf")})
    assert json.loads((path / "progress.json").read_text()) == {"step": 1, "best_value": float("-inf")}
