"""Two commands on one run: the second is told so in one line, and the first ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fork_server import Pythons

from xrobust import load_result
from xrobust.errors import RunError
from xrobust.results.run_folder import RunFolder
from xrobust.storage import cache

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


@pytest.fixture(autouse=True)
def on_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computes on the CPU: two processes cannot share one GPU."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


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
    expected = f"xrobust: another process (id {running.pid} on {socket.gethostname()}) is at work on this run "
    message = f"{expected}({document.parent}): wait until it has ended\n"
    assert [(other.returncode, other.stderr) for other in others] == [(1, message)] * 3
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
    assert done.stderr.startswith(f"xrobust: another process (id {os.getpid()} on ") and done.stderr.count("\n") == 1
    assert (finished_run / "result.json").read_bytes() == before


HOLDS = """
import sys
from pathlib import Path
from xrobust.results.run_folder import RunFolder

with RunFolder(Path(sys.argv[1])).locked(main=True):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDS, folder.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None and first.stdout.readline() == "locked\n"
    with pytest.raises(RunError, match=rf"another process \(id {first.pid} on "), folder.locked(main=True):
        pytest.fail("it is another's")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert (folder.path / ".lock").read_text().startswith(f"{first.pid} on "), "it is there, and locks nothing"
    with folder.locked(main=True):
        assert (folder.path / ".lock").read_text().startswith(f"{os.getpid()} on ")
    assert not folder.path.exists() or not list(folder.path.iterdir())


def test_two_that_keep_the_same_rows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = [{"row": i} for i in range(100)]

    def while_another_does() -> Iterator[dict[str, int]]:
        yield from rows[:50]
        cache.write_lines("shelf", "key", iter(rows))
        assert cache.read_lines("shelf", "key", list) == rows, "it does not wait for the other"
        yield from rows[50:]

    cache.write_lines("shelf", "key", while_another_does())
    assert cache.read_lines("shelf", "key", list) == rows
    assert [path.name for path in (tmp_path / "xrobust" / "shelf").iterdir()] == ["key.jsonl.gz"]
