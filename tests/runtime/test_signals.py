"""Ctrl-C and SIGTERM: raised at once, held back, passed to no worker; and when processes tell each other of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from xrobust import RunSpec, hookimpl, run
from xrobust.cli.main import main
from xrobust.runtime import signals
from xrobust.runtime.signals import Terminated, asked, held, released, watched
from xrobust.training.step_sync import sync_interval


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes again is a second one, however soon."""
    monkeypatch.setattr(signals, "SAME_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert asked() is None


def receive(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_is_raised_at_once_or_after_what_is_held(number: int, error: type[BaseException]) -> None:
    reached = []
    with watched():
        with pytest.raises(error) as caught:
            receive(number)
        assert caught.type is error and asked() == number
    with watched():
        with pytest.raises(error) as caught, held():
            with held():
                receive(number)
            reached.append("the end")
        assert caught.type is error and reached == ["the end"]


@pytest.mark.usefixtures("no_pause")
def test_a_second_signal_is_raised_at_once() -> None:
    with watched(), pytest.raises(Terminated), held():
        receive(signal.SIGINT)
        receive(signal.SIGTERM)
        pytest.fail("not reached")


def test_a_signal_that_is_passed_on_too_is_one() -> None:
    reached = []
    with watched(), pytest.raises(Terminated), held():
        receive(signal.SIGTERM)
        receive(signal.SIGTERM)
        reached.append("the end")
    assert reached == ["the end"]


def test_what_is_released_is_cut_short() -> None:
    for before in (True, False):
        with watched(), pytest.raises(Terminated), held():
            if before:
                receive(signal.SIGTERM)
            with released():
                receive(signal.SIGTERM)
                pytest.fail("not reached")


def test_a_forked_worker_is_ended_by_the_signal() -> None:
    with watched(), held():
        child = os.fork()
        if child == 0:
            receive(signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert asked() is None


def test_off_the_main_thread_signals_are_the_callers() -> None:
    seen = []

    def work() -> None:
        with watched(), held():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("seconds", "steps"), [(0.01, 20), (0.5, 4), (1.9, 1), (60.0, 1), (0.0, 20)])
def test_a_gpu_is_waited_for_as_seldom_as_a_stop_within_seconds_allows(seconds: float, steps: int) -> None:
    assert sync_interval(seconds, torch.device("cuda")) == steps
    assert sync_interval(seconds, torch.device("cpu")) == 1


class Saved:
    """Notes the steps with a checkpoint."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    @hookimpl
    def checkpoint_saved(self, step: int) -> None:
        self.steps.append(step)


@pytest.mark.parametrize(("minutes", "steps"), [(1e-9, [1, 2, 3, 4, 5]), (None, [4]), (1e9, [4])])
def test_checkpoints_by_time_and_by_step(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, minutes: float | None, steps: list[int]
) -> None:
    saved = Saved()
    spec = RunSpec(
        task="pos",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("de",),
        checkpoint_steps=4,
        checkpoint_minutes=minutes,
        training={"epochs": 1, "batch_size": 8, "select_every": 6},
    )
    run(spec, [saved])
    assert saved.steps == steps


def test_a_signal_before_the_command_has_begun_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(*arguments: object, **settings: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("xrobust.cli.main.app", build)
    with pytest.raises(SystemExit) as end:
        main(["list"])
    assert end.value.code == 75
    assert capsys.readouterr().err.startswith("xrobust: terminated; ")
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN, "this process goes on"


@pytest.mark.parametrize(
    ("command", "rest"),
    [("run", "goes on from the last checkpoint"), ("eval", "scores what has no score yet"), ("predict", "begins from")],
)
def test_what_the_same_command_does(command: str, rest: str) -> None:
    assert signals.message(signal.SIGINT, command).startswith(f"interrupted; the same command {rest}")
