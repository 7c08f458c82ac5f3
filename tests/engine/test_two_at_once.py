"""Two commands on one run: the second is told so in one line, and the first ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fork_server import Pythons

from xrobust import load_result
from xrobust.results.run_folder import RunFolder

Command = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = """
import os

from xrobust.contracts import Method, MethodInfo


class Waits(Method):
    info = MethodInfo(name="waits", summary="waits in the middle of its training")

    def objective(self, inner, ctx):
        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            if calls == 4:
                for name in ("AT_WORK", "GO_ON"):  # opening a pipe waits for the other side
                    os.close(os.open(os.environ[name], os.O_WRONLY))
            return inner(forward, batch)

        return objective
"""


def test_a_command_on_a_run_that_another_works_on(
    tmp_path: Path, pythons: Pythons, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    plugin = tmp_path / "waits.py"
    plugin.write_text(PLUGIN)
    arguments = [
        *("run", "--task", "pos", "--method", "waits", "--plugin", plugin, "--model", tiny_model, "--languages", "de"),
        *("--data-dir", tiny_data, "--output", tmp_path / "runs", "--set", "training.epochs=4"),
        *("--set", "training.select_every=1"),
    ]
    pipes = {name: str(tmp_path / name) for name in ("AT_WORK", "GO_ON")}
    for pipe in pipes.values():
        os.mkfifo(pipe)
    running = pythons.start("-m", "xrobust", *arguments, cwd=tmp_path, env={**os.environ, **pipes})
    Path(pipes["AT_WORK"]).read_bytes()
    others = [xrobust(*arguments, *more) for more in ([], ["--force"], ["--num-processes", "2"])]
    Path(pipes["GO_ON"]).read_bytes()
    first = running.wait()
    assert first.returncode == 0, first.stderr
    (document,) = (tmp_path / "runs").rglob("result.json")
    expected = f"xrobust: another process is at work on this run ({document.parent}): wait until it has ended\n"
    assert [(other.returncode, other.stderr) for other in others] == [(1, expected)] * 3
    result = load_result(document)
    assert result.status == "complete" and result.training is not None
    assert [point.step for point in result.training.dev] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted(path.name for path in document.parent.iterdir()) == ["model", "predictions", "result.json", "run.log"]


@pytest.mark.parametrize("processes", [1, 2])
def test_eval_of_a_run_that_another_works_on(xrobust: Command, finished_run: Path, processes: int) -> None:
    before = (finished_run / "result.json").read_bytes()
    with RunFolder(finished_run).locked(main=True):
        done = xrobust("eval", finished_run, "--languages", "fr", "--num-processes", processes)
    assert done.returncode == 1
    assert done.stderr.startswith("xrobust: another process is at work on this run ") and done.stderr.count("\n") == 1
    assert (finished_run / "result.json").read_bytes() == before
