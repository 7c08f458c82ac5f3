"""What a sweep shows: counts, the time that is left, and a line for each run."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from xrobust.cli.sweep_view import PlainView, drawn, ending, headline, time_left
from xrobust.experiments.cost import Costs, duration
from xrobust.experiments.executor import Executor
from xrobust.experiments.job import Attempt, Job, Outcome
from xrobust.experiments.sweep import Sweep
from xrobust.experiments.sweep_plan import plan_sweep

WriteExperiment = Callable[..., Path]


class Idle(Executor):
    """Nothing is ever done."""


@pytest.fixture
def sweep(write_experiment: WriteExperiment) -> Sweep:
    """Four runs: one complete after 100 seconds, one failed, one that goes on, one that waits."""
    sweep = Sweep(plan_sweep(write_experiment(seeds=4)), Idle, PlainView())
    sweep._add_known()
    complete, failed, running, _ = sweep.entries.values()
    complete.state, failed.state, running.running = "complete", "failed", True
    sweep.plan.costs.note(complete.job, 100.0)
    running.job.progress.parent.mkdir(parents=True)
    running.job.progress.write_text('{"phase": "train", "done": 3, "total": 12}')
    return sweep


def test_the_headline_counts_and_tells_the_time_that_is_left(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    running = sweep.running()[0]
    monkeypatch.setattr("xrobust.cli.sweep_view.time.monotonic", lambda: running.since + 40.0)
    assert time_left(sweep) == 160.0  # 200 for two runs, of which 40 have passed
    assert headline(sweep) == "tiny: 4 runs, 1 complete, 1 running, 1 failed; about 3 min left"


def test_the_table_has_a_line_for_what_is_running(sweep: Sweep) -> None:
    printed = io.StringIO()
    Console(width=160, file=printed).print(drawn(sweep))
    text = printed.getvalue()
    assert sweep.running()[0].job.name in text and "train" in text and "3/12" in text
    assert all(entry.job.name not in text for entry in sweep.waiting())
    assert "4 runs, 1 complete, 1 running, 1 failed" in text


def test_a_run_that_ended_is_one_line(make_job: Callable[..., Job]) -> None:
    attempts = (Attempt("2026-01-01T00:00:00+00:00", 50.0, 1, "no luck"), Attempt("2026-01-01T00:01:00+00:00", 50.0, 1))
    job = make_job("x")
    assert ending(job, Outcome("complete", attempts=attempts[:1])) == "complete  x  50 s"
    assert (
        ending(job, Outcome("failed", "no luck", attempts))
        == f"failed    x  2 min, started 2 times: no luck ({job.log})"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (100, "2 min"), (5399, "1 h 30 min"), (36000, "10 h 0 min")]
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_costs_of_cells_that_were_never_run_go_by_steps(make_job: Callable[..., Job]) -> None:
    costs = Costs()
    assert costs.expected(make_job(steps=10)) is None
    costs.note(make_job(steps=10), 50.0)
    costs.note(make_job(steps=10, task="xnli"), 20.0)
    assert costs.expected(make_job(steps=10)) == 50.0
    assert costs.expected(make_job(method="lora", steps=20)) == 100.0  # 5 seconds a step of this task
    assert costs.expected(make_job(task="wikiann", steps=20)) == 70.0  # 3.5 of any
    assert costs.expected(make_job(task="wikiann")) is None
