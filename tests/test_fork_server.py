"""A fork of the server is to a test what a fresh interpreter is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from fork_server import Fork, Fresh, Pythons

REPORT = """
import json, os, signal, sys
print(json.dumps({
    "arguments": sys.argv,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "path": sys.path,
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "child": signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL,
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    "threads": len(os.listdir("/proc/self/task")),
    "main": __name__,
}))
"""


@pytest.mark.parametrize("added", [{}, {"XROBUST_X": "1"}, {"PYTHONPATH": "/a:/b"}, {"HF_HOME": "/nowhere"}])
def test_it_is_what_a_fresh_interpreter_is(pythons: Pythons, tmp_path: Path, added: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | added
    program = ("-c", REPORT, "an", "argument")
    fork, fresh = (
        json.loads(pythons.run(*program, cwd=tmp_path, env=environment, fresh=fresh).stdout) for fresh in (False, True)
    )
    # Libraries open files and start threads too: no more of them than numpy and torch have at their import.
    assert fork.pop("threads") == fresh.pop("threads") == 1
    assert fork.pop("descriptors")[:3] == fresh.pop("descriptors")[:3] == [0, 1, 2]
    assert fork == fresh


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("print('said')", 0),
        ("print('said'); raise SystemExit", 0),
        ("print('said'); raise SystemExit(3)", 3),
        ("print('said'); raise SystemExit('why')", 1),
        ("import atexit; atexit.register(print, 'said')", 0),
        ("import os; print('said', flush=True); os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; print('said', flush=True); os.kill(os.getpid(), 15)", -signal.SIGTERM),
        ("import os, signal; print('said', flush=True); os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("print('said'); 1 / 0", 1),
    ],
)
def test_its_end(pythons: Pythons, tmp_path: Path, program: str, code: int) -> None:
    done, fresh = (pythons.run("-c", program, cwd=tmp_path, fresh=fresh) for fresh in (False, True))
    assert (done.returncode, done.stdout) == (fresh.returncode, fresh.stdout) == (code, "said\n")
    assert done.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_libraries_are_there_and_none_of_our_code(pythons: Pythons, tmp_path: Path) -> None:
    program = "import sys; print(*{'torch', 'transformers', 'huggingface_hub', 'xrobust'} & set(sys.modules))"
    here, elsewhere = dict(os.environ), {**os.environ, "HF_HOME": str(tmp_path)}
    assert set(pythons.run("-c", program, cwd=tmp_path, env=here).stdout.split()) == {
        "torch",
        "transformers",
        "huggingface_hub",
    }
    assert pythons.run("-c", program, cwd=tmp_path, env=elsewhere).stdout.split() == ["torch"], "it reads HF_HOME"


def test_the_environment_decides_what_may_be_forked(pythons: Pythons, tmp_path: Path) -> None:
    import sklearn.metrics  # noqa: F401  it sets variables, as torch does; a fork's environment has them too
    import torch._dynamo  # noqa: F401

    def kind(**environment: str) -> type:
        started = pythons.start("-c", "", cwd=tmp_path, env={**os.environ, **environment})
        assert started.wait().returncode == 0
        return type(started)

    assert kind() is kind(SIGNAL="SIGINT") is Fork
    assert kind(OMP_NUM_THREADS="3") is kind(PYTHONHASHSEED="3") is Fresh


def test_two_at_once_and_one_that_takes_too_long(pythons: Pythons, tmp_path: Path) -> None:
    first = pythons.start("-c", "import signal; signal.pause()", cwd=tmp_path)
    assert pythons.run("-c", "print('second')", cwd=tmp_path).stdout == "second\n"
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(timeout=0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_nobody_waited_for_is_ended(tmp_path: Path, fresh: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fork_server.NEED_NO_HUB", [])
    monkeypatch.setattr("fork_server.READ_HUB_VARIABLES", [])
    pythons = Pythons()
    running = pythons.start("-c", "import signal; signal.pause()", cwd=tmp_path, fresh=fresh)
    pythons.close()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
