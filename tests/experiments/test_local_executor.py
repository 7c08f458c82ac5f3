"""The shares of a machine that runs get: cores and threads, or GPUs."""

from __future__ import annotations

import pytest

from xrobust.errors import UserError
from xrobust.experiments import local_executor
from xrobust.experiments.local_executor import LocalExecutor, local_places


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, four GPUs, and no variables that say otherwise."""
    monkeypatch.setattr(local_executor.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with_gpus(monkeypatch, 4)


def with_gpus(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("xrobust.runtime.processes.usable_gpus", lambda: number)


def test_each_run_has_its_gpus_and_its_cores(machine: None) -> None:
    places = local_places(None, processes=2)
    assert [place.gpus for place in places] == [("0", "1"), ("2", "3")]
    assert [place.cores for place in places] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert LocalExecutor(places).describe() == "on this machine, 2 at once, each with 2 GPUs"


def test_gpus_are_named_as_the_user_named_them(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,MIG-7")
    with_gpus(monkeypatch, 2)
    assert [place.gpus for place in local_places(None, processes=1)] == [("5",), ("MIG-7",)]


def test_more_gpus_than_cores_are_all_used(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 16)
    places = local_places(None, processes=1)
    assert len(places) == 16 and not any(place.cores for place in places)


def test_without_gpus_jobs_share_the_cores(machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    (alone,) = local_places(None, processes=1)
    assert (alone.cores, alone.threads, alone.gpus) == ((), 8, None)
    three = local_places(3, processes=1)
    assert [place.cores for place in three] == [(0, 1), (2, 3), (4, 5)] and {place.threads for place in three} == {2}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert {place.threads for place in local_places(2, processes=1)} == {1}


@pytest.mark.parametrize(
    ("gpus", "jobs", "processes", "said"),
    [
        (0, 9, 1, "--jobs 9: this machine lets xrobust use 8 cores"),
        (4, 3, 2, "--jobs 3: runs of 2 processes need 6 GPUs, and there are 4"),
        (4, None, 8, "8 processes on this machine, which has 4 GPUs"),
    ],
)
def test_more_than_there_is_is_one_line(
    machine: None, monkeypatch: pytest.MonkeyPatch, gpus: int, jobs: int | None, processes: int, said: str
) -> None:
    with_gpus(monkeypatch, gpus)
    with pytest.raises(UserError, match=said):
        local_places(jobs, processes)
