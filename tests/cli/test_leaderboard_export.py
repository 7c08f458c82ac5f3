"""`xrobust leaderboard export`: where it writes, and where it refuses to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ended_command import Command
from handmade_runs import make_run, write_runs

FILE = "leaderboard.json"
EXPORT = ("leaderboard", "export", FILE)


@pytest.fixture
def board(folder: Path, good: Callable[..., str]) -> Path:
    """A leaderboard of two entries in the working folder."""
    write_runs(folder / "runs", make_run({"en": 0.8, "de": 0.4}), make_run({"en": 0.8, "de": 0.5}, "rs_aug"))
    good("leaderboard", "runs", "--verify", "documents", "-o", FILE)
    return folder / FILE


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", ["every_eval_ever", "model-card"])
def test_a_folder_with_files_is_left_alone_without_force(
    board: Path, good: Callable[..., str], command: Command, to: str
) -> None:
    assert good(*EXPORT, "--to", to, "-o", "new/out") == "new/out: 2 files of 2 entries\n"
    first = files(Path("new/out"))
    again = command(*EXPORT, "--to", to, "-o", "new/out")
    assert again.code == 2 and again.err.count("\n") == 1 and "--force" in again.err
    Path("new/out/mine.txt").write_text("mine")
    good(*EXPORT, "--to", to, "-o", "new/out", "--force")
    assert files(Path("new/out")) == {**first, Path("mine.txt"): b"mine"}


def test_one_entry(board: Path, good: Callable[..., str], command: Command) -> None:
    import json

    entry = json.loads(board.read_text())["entries"][0]["id"]
    good(*EXPORT, "--to", "model-card", "-o", "one", "--entry", entry)
    assert list(files(Path("one"))) == [Path(f"pos-{entry}/README.md")]
    unknown = command(*EXPORT, "--to", "model-card", "-o", "none", "--entry", "x")
    assert unknown.code == 2 and "no such entry" in unknown.err and not Path("none").exists()


def test_a_file_is_no_folder(board: Path, command: Command) -> None:
    done = command(*EXPORT, "--to", "model-card", "-o", FILE)
    assert done.code == 2 and "is a file: name a folder" in done.err


def test_a_folder_that_cannot_be_made_is_one_line(board: Path, command: Command) -> None:
    done = command(*EXPORT, "--to", "model-card", "-o", f"{FILE}/out")
    assert done.code == 1 and done.err.count("\n") == 1 and "cannot write" in done.err
