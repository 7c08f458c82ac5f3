"""A fork of the server is to a test what a fresh interpreter is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
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
    "main": __name__,
}))
"""


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pythons]:
    """Servers that are there at once: they import next to nothing."""
    monkeypatch.setattr("fork_server.NEED_NO_HUB", ["yaml"])
    monkeypatch.setattr("fork_server.READ_HUB_VARIABLES", ["huggingface_hub"])
    pythons = Pythons()
    yield pythons
    pythons.close()


@pytest.mark.parametrize("added", [{}, {"XROBUST_X": "1"}, {"PYTHONPATH": "/a:/b"}, {"HF_HOME": "/nowhere"}])
def test_it_is_what_a_fresh_interpreter_is(bare: Pythons, tmp_path: Path, added: dict[str, str]) -> None:
    left_out = ("PYTHONPATH", "TOKENIZERS_PARALLELISM")
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | added
    program = ("-c", REPORT, "an", "argument")
    fork, fresh = (
        json.loads(bare.run(*program, cwd=tmp_path, env=environment, fresh=fresh).stdout) for fresh in (False, True)
    )
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
def test_its_end(bare: Pythons, tmp_path: Path, program: str, code: int) -> None:
    done, fresh = (bare.run("-c", program, cwd=tmp_path, fresh=fresh) for fresh in (False, True))
    assert (done.returncode, done.stdout) == (fresh.returncode, fresh.stdout) == (code, "said\n")
    assert done.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_libraries_are_there_none_of_our_code_and_no_thread(pythons: Pythons, tmp_path: Path) -> None:
    program = """if True:
        import os, sys
        libraries = {"torch", "transformers", "huggingface_hub", "xrobust"} & set(sys.modules)
        print(*sorted(libraries), len(os.listdir("/proc/self/task")))
    """
    done = pythons.run("-c", program, cwd=tmp_path)
    assert done.stdout == "huggingface_hub torch transformers 1\n"


def test_what_reads_a_variable_is_not_there_where_it_changes(bare: Pythons, tmp_path: Path) -> None:
    program = "import sys; print('yaml' in sys.modules, 'huggingface_hub' in sys.modules)"
    assert bare.run("-c", program, cwd=tmp_path).stdout == "True True\n"
    changed = {**os.environ, "HF_HOME": str(tmp_path)}
    assert bare.run("-c", program, cwd=tmp_path, env=changed).stdout == "True False\n"


def test_the_environment_decides_what_may_be_forked(bare: Pythons, tmp_path: Path) -> None:
    import sklearn.metrics  # noqa: F401  it sets variables, as torch does; a fork's environment has them too
    import torch._dynamo  # noqa: F401

    def kind(**environment: str) -> type:
        started = bare.start("-c", "", cwd=tmp_path, env={**os.environ, **environment})
        assert started.wait().returncode == 0
        return type(started)

    assert kind() is kind(SIGNAL="SIGINT") is Fork
    assert kind(OMP_NUM_THREADS="3") is kind(PYTHONHASHSEED="3") is Fresh


def test_two_at_once_and_one_that_takes_too_long(bare: Pythons, tmp_path: Path) -> None:
    first = bare.start("-c", "import signal; signal.pause()", cwd=tmp_path)
    assert bare.run("-c", "print('second')", cwd=tmp_path).stdout == "second\n"
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(timeout=0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_nobody_waited_for_is_ended(bare: Pythons, tmp_path: Path, fresh: bool) -> None:
    running = bare.start("-c", "import signal; signal.pause()", cwd=tmp_path, fresh=fresh)
    bare.close()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
