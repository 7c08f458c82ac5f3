"""Fuzz run: mutated documents, settings, tables, models and cache files, read through the public entries.

    python -m tests.benchmarks.fuzz --inputs 20000 --seed 1

Each input may be refused by one line (UserError, RunError) or be read; anything else is a failure: another exception,
more than 10 seconds of the processor, more than 2 GB of memory over what the libraries take, a process that dies.
Prints the counts of each kind and the first failures, whose inputs are kept in `build/fuzz`; exit code 1 if there is
any. An input depends on seed and number alone: `--only NUMBER` does one of them again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""Longest processor time for one input."""
WAITING = 60.0
"""Longest time for one input by the clock: other programs may have the processors, or it waits in vain."""
MEMORY = 2 << 30
"""Most bytes of address space for one input, over those of a process that has read true ones."""
KEPT = Path("build/fuzz")
SHOWN = 10


@dataclass
class Outcomes:
    """Counts of what became of the inputs, and the failures."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    """Number of the input, its kind, and what was wrong."""
    slowest: float = 0.0

    def add(self, number: int, kind: str, what: str, said: str) -> None:
        """Counts an input: `read`, `refused` or `failed`."""
        self.counts[kind, what] += 1
        if what == "failed":
            self.failures.append((number, kind, said))


def kind_of(seed: int, number: int) -> tuple[str, random.Random]:
    """The kind of an input, and the generator that everything else about it is drawn from."""
    from .fuzzed_inputs import KINDS

    rng = random.Random(f"{seed}/{number}")
    return rng.choices(list(KINDS), [share for share, _ in KINDS.values()])[0], rng


def one(seed: int, number: int, true: Path) -> tuple[str, str, str]:
    """Writes an input and reads it. Returns its kind, what became of it, and what was said."""
    from xrobust.errors import RunError, UserError

    from .fuzzed_inputs import KINDS

    kind, rng = kind_of(seed, number)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        read = KINDS[kind][1](rng, Path(folder), true)
        try:
            read()
        except (UserError, RunError) as error:
            return kind, "refused", str(error)
        except BaseException:
            _keep(Path(folder), f"{kind}-{number}")
            return kind, "failed", traceback.format_exc()
    return kind, "read", ""


def _keep(folder: Path, name: str) -> None:
    shutil.rmtree(KEPT / name, ignore_errors=True)
    shutil.copytree(folder, KEPT / name, symlinks=True)


def work(connection: Any, seed: int, true: Path) -> None:
    """A worker: receives numbers of inputs, sends what became of each."""
    os.environ |= {"XDG_CACHE_HOME": str(true / "cache"), "XROBUST_TRACEBACK": "1", "HF_HUB_OFFLINE": "1"}
    from .fuzzed_inputs import warm

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        warm(true, Path(folder))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    connection.send(("", "ready", ""))
    while (number := connection.recv()) is not None:
        connection.send(one(seed, number, true))


class Worker:
    """A process that reads inputs; a new one where it hangs or dies."""

    def __init__(self, seed: int, true: Path) -> None:
        self._arguments = (seed, true)
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=work, args=(there, *self._arguments), daemon=True)
        self._process.start()
        there.close()
        self._here.recv()

    def read(self, number: int) -> tuple[str, str, str]:
        """What becomes of an input."""
        self._here.send(number)
        try:
            began, before = time.monotonic(), self._seconds()
            while time.monotonic() - began < WAITING and self._seconds() - before < SECONDS:
                if self._here.poll(0.5):
                    found: tuple[str, str, str] = self._here.recv()
                    return found
            said = (
                f"took {self._seconds() - before:.0f} s of the processor, {time.monotonic() - began:.0f} s by the clock"
            )
        except EOFError:
            self._process.join()
            said = f"ended its process (exit code {self._process.exitcode})"
        self._process.kill()
        self._process.join()
        self._start()
        return kind_of(self._arguments[0], number)[0], "failed", said

    def _seconds(self) -> float:
        """The processor time that the process has taken."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:  # it has died
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Ends the process."""
        self._here.send(None)
        self._process.join()


def fuzz(numbers: Iterable[int], seed: int, true: Path, workers: int) -> Outcomes:
    """Reads the inputs of these numbers in `workers` processes."""
    outcomes, lock, left = Outcomes(), threading.Lock(), iter(numbers)

    def serve() -> None:
        worker = Worker(seed, true)
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                worker.end()
                return
            began = time.monotonic()
            found = worker.read(number)
            with lock:
                outcomes.add(number, *found)
                outcomes.slowest = max(outcomes.slowest, time.monotonic() - began)
                if found[1] == "failed":
                    print(f"input {number}, {found[0]}: {found[2].strip().splitlines()[-1]}", flush=True)

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def lines(outcomes: Outcomes) -> Iterator[str]:
    """The report: a line a kind, and the first failures."""
    yield f"{'kind':<12} {'inputs':>7} {'read':>7} {'refused':>8} {'failed':>7}"
    for kind in sorted({kind for kind, _ in outcomes.counts}):
        counts = [outcomes.counts[kind, what] for what in ("read", "refused", "failed")]
        yield f"{kind:<12} {sum(counts):>7} {counts[0]:>7} {counts[1]:>8} {counts[2]:>7}"
    yield f"{'all':<12} {sum(outcomes.counts.values()):>7}; the slowest took {outcomes.slowest:.1f} s"
    for number, kind, said in sorted(outcomes.failures)[:SHOWN]:
        yield f"\ninput {number}, {kind} ({KEPT / f'{kind}-{number}'}):\n{said.rstrip()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="do these inputs alone")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-true-") as folder:
        from .fuzzed_inputs import prepare

        prepare(Path(folder))
        numbers = given.only or range(given.inputs)
        outcomes = fuzz(numbers, given.seed, Path(folder), given.workers)
    print("\n".join(lines(outcomes)))
    return 1 if outcomes.failures else 0


if __name__ == "__main__":
    sys.exit(main())
