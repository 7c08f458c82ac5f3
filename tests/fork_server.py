"""Python processes that begin with the libraries imported, which is what takes most of the time of a short command.

A server, an interpreter of its own, imports libraries and then forks for each request. The fork takes on arguments,
environment, folder, stdout and stderr, and ends as an interpreter ends: exit handlers, exit code or signal. No code of
xrobust is imported before the fork. What a test must know: all forks of one server share its hash seed.

Nothing is computed before the fork: threads that an operator of torch starts would be missing after it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any

NEED_NO_HUB = """
    numpy pandas pluggy pyarrow.compute pyarrow.parquet pydantic scipy.stats seqeval.metrics.sequence_labeling
    seqeval.scheme sklearn.metrics torch torch._dynamo torch.distributed.tensor typer yaml
""".split()
READ_HUB_VARIABLES = """
    accelerate datasets huggingface_hub safetensors.torch tokenizers transformers.modeling_utils
    transformers.models.auto transformers.models.bert.modeling_bert
""".split()
"""Libraries that read `HUB_VARIABLES` when they are imported, and not again."""

HUB_VARIABLES = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "XDG_")
VARIABLES_AT_START = ("CUDA_", "LANG", "LC_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "PYTORCH_", "TORCH_")
"""How variables begin that count when an interpreter or a library starts; not those that libraries set themselves."""


class Running:
    """A process that was started, and what it prints."""

    def __init__(self, arguments: list[str], out: IO[str], err: IO[str]) -> None:
        self.arguments = arguments
        self.pid = 0
        self._out, self._err = out, err

    def wait(self, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """What it printed and its exit code: minus the signal's number where one ended it.

        Raises:
            subprocess.TimeoutExpired: it ran for another `timeout` seconds, and was killed.
        """
        with self._out, self._err:
            try:
                code = self._code(timeout)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
                self._code(None)
                raise
            printed = []
            for file in (self._out, self._err):
                file.seek(0)
                printed.append(file.read())
            return subprocess.CompletedProcess(self.arguments, code, *printed)

    def kill(self) -> None:
        """Ends it where nobody waited for it."""
        if not self._out.closed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(timeout=0.001)

    def _code(self, timeout: float | None) -> int:
        raise NotImplementedError


class Fresh(Running):
    """An interpreter started as a user starts one."""

    def __init__(self, arguments: list[str], env: Mapping[str, str], cwd: Path, out: IO[str], err: IO[str]) -> None:
        super().__init__(arguments, out, err)
        self._process = subprocess.Popen([sys.executable, *arguments], env=env, cwd=cwd, stdout=out, stderr=err)
        self.pid = self._process.pid

    def _code(self, timeout: float | None) -> int:
        return self._process.wait(timeout)


class Fork(Running):
    """A process that the server of `requests` forked."""

    def __init__(
        self,
        requests: socket.socket,
        arguments: list[str],
        env: Mapping[str, str],
        cwd: Path,
        out: IO[str],
        err: IO[str],
    ) -> None:
        super().__init__(arguments, out, err)
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        message = json.dumps([arguments, dict(env), str(cwd)]).encode()
        with theirs:
            socket.send_fds(requests, [message], [out.fileno(), err.fileno(), theirs.fileno()])
        pid = self._answers.recv(64)
        assert pid, "the fork server has ended: what it said is above"
        self.pid = int(pid)

    def _code(self, timeout: float | None) -> int:
        self._answers.settimeout(timeout)
        try:
            return int(self._answers.recv(64))
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0) from None


class ForkServer:
    """An interpreter that has imported `libraries` and forks; it ends with this process."""

    def __init__(self, libraries: Sequence[str], env: Mapping[str, str]) -> None:
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *libraries],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """Ends the server."""
        self.requests.close()
        self._process.wait()


class Pythons:
    """`python <arguments>` in a process of its own, from a fork server where its environment allows it."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._servers: dict[bool, ForkServer] = {}
        self._started: list[Running] = []

    def start(
        self, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, fresh: bool = False
    ) -> Running:
        """Starts `python -m MODULE ...` or `python -c PROGRAM ...`.

        Args:
            env: its whole environment; this process's without it.
            fresh: never from a server: for what must be shown of the real thing.
        """
        texts = [str(argument) for argument in arguments]
        env = dict(os.environ) if env is None else env
        out, err = (tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2))  # noqa: SIM115 (`wait` closes)
        server = None if fresh else self._server_for(env)
        if server is None:
            self._started.append(Fresh(texts, env, cwd, out, err))
        else:
            self._started.append(Fork(server.requests, texts, env, cwd, out, err))
        return self._started[-1]

    def run(
        self, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Starts it and waits for its end."""
        return self.start(*arguments, cwd=cwd, env=env, fresh=fresh).wait()

    def close(self) -> None:
        """Ends the servers, and what runs because a test failed before it waited for it."""
        for running in self._started:
            running.kill()
        self._started.clear()
        while self._servers:
            self._servers.popitem()[1].close()

    def _server_for(self, env: Mapping[str, str]) -> ForkServer | None:
        here = self._environment
        changed = {name for name in env.keys() | here.keys() if env.get(name) != here.get(name)}
        if "PYTHONPATH" not in here:  # what is on a server's path cannot be taken from it, but added to
            changed.discard("PYTHONPATH")
        if any(name.startswith(VARIABLES_AT_START) for name in changed):
            return None
        hub = not any(name.startswith(HUB_VARIABLES) for name in changed)
        if hub not in self._servers:
            self._servers[hub] = ForkServer([*NEED_NO_HUB, *(READ_HUB_VARIABLES if hub else ())], here)
        return self._servers[hub]


def _serve(requests: socket.socket, libraries: list[str]) -> list[str]:
    """Forks for each request; returns in the forks alone, with the arguments of the program to be run there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the tests then end, and so does this
    for library in libraries:
        import_module(library)
    gc.freeze()  # a collection in a fork would copy every page
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        with contextlib.suppress(ChildProcessError):  # those that have ended; so their time counts as the tests' too
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not message:
            os._exit(0)
        # Two forks: the first waits for the second, so that several can run at once and the server waits for none.
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        requests.close()
        out, err, ended = descriptors
        program = os.fork()
        if program:
            os.write(ended, str(program).encode())
            os.write(ended, str(os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])).encode())
            os._exit(0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for descriptor in descriptors:
            os.close(descriptor)
        arguments, environment, folder = json.loads(message)
        known = os.environ.get("PYTHONPATH")
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        added = os.environ.get("PYTHONPATH") if known is None else None
        sys.path[:1] = [folder if arguments[0] == "-m" else "", *(added.split(os.pathsep) if added else ())]
        return arguments


def _run(arguments: list[str]) -> None:
    """What `python <arguments>` does once it has started."""
    kind, program, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        import runpy

        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        main: Any = ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(program, main.__dict__)


if __name__ == "__main__":
    _run(_serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]))
