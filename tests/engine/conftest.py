"""The command in processes that have imported the libraries already, which takes most of the time of a short run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

STARTER = """
import json, os, sys

import numpy, peft, pyarrow.parquet, torch, transformers, xrobust.cli.progress, xrobust.pipeline
import xrobust.training, xrobust.evaluation
from xrobust.cli.main import main

for line in sys.stdin:
    arguments, env, folder = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.update(env)
        os.chdir(folder)
        for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            os.dup2(os.open(os.devnull if descriptor == 0 else name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = ["xrobust", *arguments]
        try:
            main(arguments)
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def starter() -> Iterator[subprocess.Popen[str]]:
    """A process that forks one for each command."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def forked(
    tmp_path_factory: pytest.TempPathFactory, starter: subprocess.Popen[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The real command in a process of its own, in an empty folder; one process alone, not a launcher of several."""
    work = tmp_path_factory.mktemp("forked")

    def command(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        given = [str(argument) for argument in arguments]
        assert starter.stdin is not None and starter.stdout is not None
        print(json.dumps([given, env or {}, str(work)]), file=starter.stdin, flush=True)
        code = int(starter.stdout.readline())
        out, err = ((work / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(given, code, out, err)

    return command
