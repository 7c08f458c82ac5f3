"""The command in this process, in an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ended_command import Command, Done

from xrobust.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the command runs in."""
    work = tmp_path / "folder"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """`xrobust <arguments>` through `main()`: seconds faster than a process for each."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Done(int(stopped.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def good(command: Command) -> Callable[..., str]:
    """`command` where it must go well; returns its output."""

    def run(*arguments: object) -> str:
        done = command(*arguments)
        assert done.code == 0, done.err
        assert done.err == ""
        return done.out

    return run


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """`command` for a user's mistake: exit code 2 and one line, which is returned."""

    def run(*arguments: object) -> str:
        done = command(*arguments)
        assert done.code == 2, done
        assert done.err.startswith("xrobust: ") and done.err.count("\n") == 1
        return done.err

    return run
