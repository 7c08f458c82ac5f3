"""Observers: each is called in isolation, and none can end or change a run."""

from __future__ import annotations

import ast
import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xrobust
from xrobust import RunSpec, evaluate, hookimpl, run
from xrobust.cli.list import list_command
from xrobust.cli.progress import Console
from xrobust.contracts import hooks as hookspecs
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins
from xrobust.runtime import observers as observing
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers, Synchronous, hook_problem

HOOKS = {name: value for name, value in vars(hookspecs).items() if inspect.isfunction(value)}


class Watch:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def step_finished(self, step: int) -> None:
        self.seen.append(step)

    @hookimpl
    def language_scored(self, row: dict[str, Any]) -> None:
        self.seen.append(row.pop("value"))


def finish_step(observers: Observers, step: int) -> None:
    observers.call("step_finished", step=step, total_steps=9, loss=1.0, learning_rate=0.1, examples_per_second=3.0)


def test_the_hooks_are_those_that_are_documented_and_typed():
    assert set(HOOKS) == {
        "run_started",
        "evaluation_started",
        "phase_started",
        "step_finished",
        "dev_scored",
        "checkpoint_saved",
        "language_scored",
        "not_covered",
        "scoring_failed",
        "run_finished",
        "run_interrupted",
        "run_failed",
    }
    for hook in HOOKS.values():
        assert inspect.getdoc(hook)
        assert list(inspect.signature(hook).parameters)[:2] == ["run_id", "folder"]
        assert all(p.annotation is not p.empty for p in inspect.signature(hook).parameters.values())
    assert len(Path(hookspecs.__file__).read_text(encoding="utf-8").splitlines()) <= 95


def test_the_core_calls_every_hook_as_it_is_specified():
    """A misspelt name or argument in a call would only be met when an observer listens."""
    called = set()
    for path in Path(xrobust.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call"):
                continue
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                continue
            name = node.args[0].value
            given = {keyword.arg for keyword in node.keywords}
            own = set(inspect.signature(HOOKS[name]).parameters) - {"run_id", "folder"}  # `watch` gives these
            assert given == own, f"{path.name}:{node.lineno} calls {name}"
            called.add(name)
    assert called == set(HOOKS)


def test_a_raising_observer_is_dropped_and_the_others_go_on(caplog: pytest.LogCaptureFixture):
    class Faulty:
        @hookimpl
        def step_finished(self) -> None:
            raise SystemExit("enough\nof this")

        @hookimpl
        def run_failed(self) -> None:
            raise AssertionError("was dropped")

    first, last = Watch(), Watch()
    observers = Observers([("first", first), ("faulty", Faulty()), ("last", last)])
    with caplog.at_level(logging.WARNING, logger="xrobust"):
        finish_step(observers, 1)
        finish_step(observers, 2)
        observers.call("run_failed", error="")
    assert first.seen == last.seen == [1, 2]
    assert observers.failed == {"faulty": "step_finished raised SystemExit: enough of this"}
    (record,) = caplog.records
    assert record.getMessage() == "observer faulty is left out: step_finished raised SystemExit: enough of this"


def test_an_observer_cannot_change_what_the_run_and_the_others_see():
    row = {"language": "de", "value": 0.5}
    watches = [Watch(), Watch()]
    Observers([("a", watches[0]), ("b", watches[1])]).call("language_scored", row=row)
    assert row == {"language": "de", "value": 0.5}
    assert [w.seen for w in watches] == [[0.5], [0.5]]


def test_control_c_in_an_observer_ends_the_run():
    class Interrupted:
        @hookimpl
        def step_finished(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish_step(Observers([("it", Interrupted())]), 1)


def test_a_run_that_is_being_stopped_waits_for_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "STOPPING_SECONDS", 0.6)  # of the 30 of others
    hanging = Hanging()
    observers = Observers([("hanging", hanging)])
    with pytest.raises(KeyboardInterrupt), signals.watched(), signals.held():
        signal.raise_signal(signal.SIGINT)
        finish_step(observers, 1)
    hanging.release.set()
    assert observers.failed == {"hanging": "step_finished took longer than 0.6 s"}


class Hanging(Watch):
    """Hangs in its first step, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.release, self.entered = threading.Event(), threading.Event()

    @hookimpl
    def step_finished(self, step: int) -> None:
        self.seen.append(step)
        self.entered.set()
        self.release.wait(20)  # a test that does not patch the limit, or a run that waits for ever, fails

    @hookimpl
    def run_interrupted(self) -> None:
        self.seen.append("interrupted")


def test_a_hanging_observer_is_dropped_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "LIMIT_SECONDS", 0.06)
    first, hanging, last = Watch(), Hanging(), Watch()
    observers = Observers([("first", first), ("hanging", hanging), ("last", last)])
    with caplog.at_level(logging.WARNING, logger="xrobust"):
        finish_step(observers, 1)
        assert not hanging.release.is_set()
        finish_step(observers, 2)
    hanging.release.set()
    assert (first.seen, hanging.seen, last.seen) == ([1, 2], [1], [1, 2])
    assert observers.failed == {"hanging": "step_finished took longer than 0.06 s"}
    (record,) = caplog.records
    assert record.getMessage() == "observer hanging is left out: step_finished took longer than 0.06 s"


def test_a_signal_cuts_the_wait_for_an_observer_short() -> None:
    """The observer stays, and is told of the end once it is through with what it was doing."""
    hanging, others = Hanging(), Watch()
    observers = Observers([("hanging", hanging), ("others", others)])

    def interrupt() -> None:
        hanging.entered.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    with signals.watched():
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            finish_step(observers, 1)
    sender.join()
    assert not hanging.release.is_set()
    hanging.release.set()
    observers.call("run_interrupted")
    assert hanging.seen == [1, "interrupted"]
    assert others.seen == [] and not observers.failed


def test_an_observer_has_a_thread_of_its_own_on_which_it_is_made() -> None:
    """Objects of sqlite3 belong to the thread that made them. No thread is started before it is needed."""
    threads: dict[str, list[int]] = {"own": [], "terminal": []}

    class Own:
        def __init__(self) -> None:
            threads["own"].append(threading.get_ident())

        @hookimpl
        def step_finished(self) -> None:
            threads["own"].append(threading.get_ident())

    class Terminal(Synchronous):
        @hookimpl
        def step_finished(self) -> None:
            threads["terminal"].append(threading.get_ident())

    before = threading.active_count()
    observers = Observers([("own", Own), ("terminal", Terminal())])
    assert threading.active_count() == before and threads["own"] == []
    finish_step(observers, 1)
    finish_step(observers, 2)
    assert len(threads["own"]) == 3 and len(set(threads["own"])) == 1
    assert threads["terminal"] == [threading.get_ident()] * 2
    assert threading.get_ident() not in threads["own"]
    (thread,) = (thread for thread in threading.enumerate() if thread.ident == threads["own"][0])
    del observers
    thread.join(20)
    assert not thread.is_alive(), "it ends with the run that it was made for"


HANGS = """
import threading
from xrobust import hookimpl
from xrobust.runtime import observers
observers.LIMIT_SECONDS = 0.06
class Hanging:
    @hookimpl
    def run_failed(self): threading.Event().wait()
observers.Observers([("hanging", Hanging)]).call("run_failed", error="")
"""


def test_no_exit_waits_for_an_observer_that_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        ["observer hanging is left out: run_failed took longer than 0.06 s"],
    )


def test_an_unknown_hook_is_a_defect_even_if_nobody_listens():
    with pytest.raises(AttributeError):
        Observers().call("step_finishd", step=1)


def test_what_cannot_observe_is_told_apart():
    class Misspelt:
        @hookimpl
        def dev_score(self, step: int) -> None: ...

    class WrongArgument:
        @hookimpl
        def dev_scored(self, steps: int) -> None: ...

    class Unmarked:
        def dev_scored(self, step: int) -> None: ...

    assert hook_problem(Misspelt()) == "unknown hook 'dev_score': did you mean 'dev_scored'?"
    assert hook_problem(Misspelt) == hook_problem(Misspelt())
    assert "Argument(s) {'steps'} are declared in the hookimpl" in (hook_problem(WrongArgument()) or "")
    assert hook_problem(Unmarked()) == "it implements no hook: mark its functions with xrobust.hookimpl"
    assert hook_problem(Watch()) is None


def test_a_python_callers_observer_must_be_one():
    with pytest.raises(UserError, match="it implements no hook"):
        Plugins().observers([object()])
    watch = Watch()
    finish_step(Plugins().observers([watch]), 5)
    assert watch.seen == [5]


OBSERVERS = {
    "functions": (
        "from xrobust import hookimpl\nseen = []\n@hookimpl\ndef step_finished(step): seen.append(step)",
        "functions_module",
        None,
    ),
    "a_class": (
        "from xrobust import hookimpl\nseen = []\nclass Watch:\n  def __init__(self): self.n = 0\n"
        "  @hookimpl\n  def step_finished(self, step): self.n += step; seen.append(self.n)",
        "a_class_module:Watch",
        None,
    ),
    "an_object": (
        "from xrobust import hookimpl\nseen = []\nclass Watch:\n"
        "  @hookimpl\n  def step_finished(self, step): seen.append(step)\nwatch = Watch()",
        "an_object_module:watch",
        None,
    ),
    "import": ("import no_such_module_anywhere", "import_module", "importing it raised ModuleNotFoundError"),
    "misspelt": (
        "from xrobust import hookimpl\n@hookimpl\ndef step_finnished(step): pass",
        "misspelt_module",
        "unknown hook 'step_finnished': did you mean 'step_finished'",
    ),
    "unmarked": ("def step_finished(step): pass", "unmarked_module", "it implements no hook"),
    "start": (
        "from xrobust import hookimpl\nclass Watch:\n  def __init__(self): 1 / 0\n"
        "  @hookimpl\n  def step_finished(self, step): pass",
        "start_module:Watch",
        "ZeroDivisionError: division by zero",
    ),
}


def test_installed_observers_are_isolated_from_one_another(distribution):
    for name, (source, target, _) in OBSERVERS.items():
        distribution(f"dist-{name}", {"xrobust.observers": {name: target}}, **{f"{name}_module": source})
    plugins = Plugins()
    observers = plugins.observers()
    finish_step(observers, 7)
    finish_step(observers, 8)
    for name, (_, target, reason) in OBSERVERS.items():
        if reason is None:
            module = sys.modules[target.partition(":")[0]]
            assert module.seen == ([7, 15] if name == "a_class" else [7, 8])
        else:
            assert observers.failed[f"dist-{name}/{name}"].startswith(reason)
    assert len(observers.failed) == sum(reason is not None for *_, reason in OBSERVERS.values())

    checked = {r.name: r for r in plugins.check_all() if r.group == "observers"}
    for name, (_, _, reason) in OBSERVERS.items():
        if reason is None or name == "start":  # a class is looked at, not instantiated, when plugins are checked
            assert checked[name].problem is None
        else:
            assert (checked[name].problem or "").startswith(reason)


FORMER = "from xrobust import hookimpl\nseen = []\n@hookimpl\ndef step_finished(step): seen.append(step)"


def test_the_former_group_is_read_with_a_warning(
    distribution: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    distribution("dist-former", {"xrobust.plugins": {"watch": "former_module"}}, former_module=FORMER)
    with caplog.at_level(logging.WARNING, logger="xrobust"):
        finish_step(Plugins().observers(), 3)
        Plugins().observers()
        checked = {r.distribution: r for r in Plugins().check_all()}
    assert sys.modules["former_module"].seen == [3]
    assert (checked["dist-former"].group, checked["dist-former"].problem) == ("observers", None)
    assert [record.getMessage() for record in caplog.records if "dist-former" in record.getMessage()] == [
        "dist-former: its observers are in entry-point group xrobust.plugins, which is called xrobust.observers now: "
        "upgrade it, or rename the group in its pyproject.toml"
    ]


def test_an_observer_in_both_groups_is_one(distribution: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    both = {"xrobust.plugins": {"watch": "both_module"}, "xrobust.observers": {"watch": "both_module"}}
    distribution("dist-both", both, both_module=FORMER)
    with caplog.at_level(logging.WARNING, logger="xrobust"):
        finish_step(Plugins().observers(), 3)
    assert sys.modules["both_module"].seen == [3]
    assert not caplog.records


def test_observers_are_listed(
    distribution: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distribution("dist-listed", {"xrobust.observers": {"watch": "listed_module"}}, listed_module=FORMER)
    file = tmp_path / "clock.py"
    file.write_text(FORMER)
    list_command("observers", [file], False)
    said = capsys.readouterr().out
    assert [line.split()[:2] for line in said.splitlines()[2:]] == [["clock", str(file)], ["watch", "dist-listed"]]
    assert "listed_module" not in sys.modules


class Everything:
    """Remembers which hooks were called, with the run that they were told of."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []


def _listening(name: str) -> Any:
    def hear(self: Everything, run_id: str, folder: str) -> None:
        self.heard.append((name, run_id, folder))

    return hookimpl(hear)


for _name in HOOKS:
    setattr(Everything, _name, _listening(_name))


def test_each_hook_is_told_of_the_run(tmp_path: Path, tiny_model: Path, tiny_data: Path):
    """By `run` and by `eval`, which a run's own observers hear the beginning of as well."""
    ran, scored = Everything(), Everything()
    spec = RunSpec(
        task="pos",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("de",),
        limit=8,
        training={"max_steps": 2},
        checkpoint_steps=1,
    )
    result = run(spec, observers=[ran])
    folder = tmp_path / "pos" / "vanilla" / result.run_id
    evaluate(folder, ["fr"], observers=[scored])
    assert {heard[1:] for heard in ran.heard + scored.heard} == {(result.run_id, str(folder))}
    evaluation = ["evaluation_started", "phase_started", "language_scored", "run_finished"]
    first = [name for name, *_ in ran.heard]
    assert first[:3] == ["run_started", "phase_started", "phase_started"]
    assert list(dict.fromkeys(first[first.index(evaluation[0]) :])) == evaluation
    assert list(dict.fromkeys(name for name, *_ in scored.heard)) == evaluation


def test_an_observer_that_is_left_out_is_told_of_on_the_screen(capsys: pytest.CaptureFixture[str]):
    class Faulty:
        @hookimpl
        def step_finished(self) -> None:
            raise ValueError("enough")

    observers = Observers([("faulty", Faulty())])
    with Console(enabled=True):
        finish_step(observers, 1)
        finish_step(observers, 2)
        Observers([("nothing", object())])
    assert capsys.readouterr().out.splitlines() == [
        "warning: observer faulty is left out: step_finished raised ValueError: enough",
        "warning: observer nothing is left out: it implements no hook: mark its functions with xrobust.hookimpl",
    ]
    finish_step(Observers([("faulty", Faulty())]), 1)
    with Console(enabled=False):
        finish_step(Observers([("faulty", Faulty())]), 1)
    assert capsys.readouterr().out == ""
