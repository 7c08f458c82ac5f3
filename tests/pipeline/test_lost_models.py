"""Runs whose trained model could not be written, or is gone: the same command goes on from the last checkpoint."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, load_result, run
from xrobust.errors import RunError, UserError
from xrobust.results.schema import RunResult
from xrobust.training import run as training_run


def request(tiny_model: Path, tiny_data: Path, output: Path, **more: Any) -> RunSpec:
    values: dict[str, Any] = {
        "task": "pos",
        "model": str(tiny_model),
        "data_dir": tiny_data,
        "output": output,
        "languages": ("en", "de"),
        "perturb": ("casing",),
        "keep_checkpoints": "all",
        "training": {"epochs": 2, "learning_rate": 5e-3, "select_every": 2, "batch_size": 16},
    }
    return RunSpec(**values | more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Path:
    """The folder of such a run that nothing happened to."""
    output = tmp_path_factory.mktemp("whole")
    return output / "pos" / "vanilla" / run(request(tiny_model, tiny_data, output)).run_id


def outcome(result: RunResult) -> Any:
    assert result.training is not None
    return result.training.weights, [row.model_copy(update={"seconds": 0}) for row in result.scores]


def no_room(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stopped(*arguments: Any) -> None:
    raise KeyboardInterrupt  # as a second signal does, which does not wait for the model


@pytest.mark.parametrize(
    ("failing", "error", "status"), [(no_room, RunError, "failed"), (stopped, KeyboardInterrupt, "interrupted")]
)
def test_a_model_that_was_not_written_is_trained_to_its_end_by_the_same_command(
    failing: Callable[..., None],
    error: type[BaseException],
    status: str,
    whole: Path,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = request(tiny_model, tiny_data, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(training_run, "save_model", failing)
        with pytest.raises(error):
            run(spec)
    folder = tmp_path / "pos" / "vanilla" / whole.name
    before = load_result(folder)
    assert (before.status, before.training, before.scores) == (status, None, [])
    assert not (folder / "model").exists()

    caplog.set_level(logging.INFO, "xrobust")
    result = run(spec)
    assert "goes on from the checkpoint of step 4 of 6" in caplog.text
    assert result.status == "complete" and outcome(result) == outcome(load_result(whole))


def test_a_model_that_is_gone_is_trained_again_from_the_last_checkpoint(
    whole: Path, tmp_path: Path, tiny_model: Path, tiny_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the scores of all that was scored: another machine may train other last bits."""
    folder = tmp_path / "pos" / "vanilla" / whole.name
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "model")
    caplog.set_level(logging.INFO, "xrobust")
    result = run(request(tiny_model, tiny_data, tmp_path, languages=("en", "de", "fr")))
    assert "goes on from the checkpoint of step 4 of 6" in caplog.text
    assert any("the trained model was gone" in warning for warning in result.warnings)
    assert result.status == "complete" and result.scored() == {"en", "de", "fr"}
    weights, scores = outcome(load_result(whole))
    assert outcome(result)[0] == weights
    assert [row for row in outcome(result)[1] if row.language != "fr"] == scores
    assert len({artifact.path for artifact in result.artifacts}) == len(result.artifacts)


def test_without_a_checkpoint_it_takes_force(whole: Path, tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    folder = tmp_path / "pos" / "vanilla" / whole.name
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "checkpoints")
    before = (folder / "result.json").read_bytes()
    with pytest.raises(UserError, match=r"the weights were not kept .*: use --force to train again"):
        run(request(tiny_model, tiny_data, tmp_path, languages=("en", "de", "fr")))
    assert (folder / "result.json").read_bytes() == before


def test_a_damaged_model_says_how_to_go_on(whole: Path, tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    folder = tmp_path / "pos" / "vanilla" / whole.name
    shutil.copytree(whole, folder)
    config = folder / "model" / "config.json"
    config.write_text(config.read_text().replace("NOUN", "NOUM"))
    spec = request(tiny_model, tiny_data, tmp_path, languages=("en", "de", "fr"))
    with pytest.raises(UserError, match=f"or delete {folder / 'model'} and the same command trains on from the last"):
        run(spec)
    shutil.rmtree(folder / "model")
    assert run(spec).scored() == {"en", "de", "fr"}


def test_the_files_of_a_run_have_the_permissions_of_new_files(
    tmp_path: Path, tiny_model: Path, tiny_data: Path
) -> None:
    before = os.umask(0o027)
    try:
        run(request(tiny_model, tiny_data, tmp_path))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {path.name: oct(mode) for path, mode in modes.items() if mode != (0o750 if path.is_dir() else 0o640)} == {}
