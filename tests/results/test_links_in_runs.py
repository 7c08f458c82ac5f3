"""A run folder with links and pipes in it: nothing is written, deleted or waited for outside of the folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from xrobust import EvaluationRequest, UserError, evaluate, load_result
from xrobust.results.run_folder import RunFolder
from xrobust.results.store import load_predictions, predictions_path

PLACES = (
    "result.json",
    "run.log",
    ".reserve",
    ".lock",
    "predictions",
    "predictions/de.parquet",
    "predictions/casing",
    "checkpoints",
    "checkpoints/.best-1.safetensors.tmp",
    "model",
    "anything",
)


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def moved(place: Path, outside: Path) -> None:
    """Puts a link to what was at a place there, or to something outside."""
    outside.mkdir()
    target = outside / place.name
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        shutil.move(place, target)
    elif place.suffix or place.name.startswith("."):
        target.write_text("mine")
    else:
        target.mkdir()
        (target / ".half.tmp").write_text("mine")
    place.symlink_to(target)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_written_through_a_link(run: Path, tmp_path: Path, place: str) -> None:
    moved(run / place, tmp_path / "outside")
    before = files(tmp_path)
    with pytest.raises(UserError, match=f"{place} is a link, and nothing is written by way of it"):
        evaluate(run, request=EvaluationRequest(perturb=("casing",)))
    with pytest.raises(UserError, match=r"is a link"), RunFolder(run).locked(main=True):
        RunFolder(run).clear()
    assert files(tmp_path) == before


@pytest.mark.parametrize("place", ["run.log", ".reserve", "predictions/.de.tmp"])
def test_no_pipe_is_waited_for(run: Path, place: str) -> None:
    (run / place).unlink(missing_ok=True)
    os.mkfifo(run / place)
    with pytest.raises(UserError, match=f"{place} is a pipe"):
        evaluate(run, ["de"])


def test_predictions_are_no_pipe(run: Path) -> None:
    (run / "predictions" / "de.parquet").unlink()
    os.mkfifo(run / "predictions" / "de.parquet")
    with pytest.raises(UserError, match=r"de\.parquet cannot be read: .*it is a pipe, where a file belongs"):
        load_predictions(run, "de")


def test_a_run_may_be_a_link_itself_and_be_read_through_links(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    assert evaluate(tmp_path / "link", ["de"]).status == "complete"
    moved(run / "result.json", tmp_path / "outside")
    assert load_result(run).status == "complete"


def test_predictions_lie_in_the_run(tmp_path: Path) -> None:
    for test_set, label in (("../../x", None), ("de", ".."), ("/x", "/x"), ("..", ".")):
        path = predictions_path(tmp_path, test_set, label)
        assert path.resolve().is_relative_to(tmp_path / "predictions"), path
    assert predictions_path(tmp_path, "en:de", "typos(rate=0.1)").match("predictions/typos(rate=0.1)/en--de.parquet")
