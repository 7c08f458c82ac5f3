"""Experiments as arguments of `compare`, `leaderboard`, `runs` and `analyze`."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handmade_experiment import asked, write_index

Good = Callable[..., str]
Refused = Callable[..., str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment on three tasks, of which one has the baseline alone."""
    output = tmp_path_factory.mktemp("written") / "runs"
    runs = [
        *asked(output, "pos", "vanilla", drop=0.2),
        *asked(output, "pos", "rs_aug", drop=0.1),
        *asked(output, "xnli", "vanilla"),
        *asked(output, "xnli", "rs_aug", settings={"batch_size": 4}),
        *asked(output, "wikiann", "vanilla", missing=[2]),
    ]
    write_index(output, "robust", runs)
    return output


@pytest.fixture
def runs(written: Path, folder: Path) -> Path:
    shutil.copytree(written, folder / "runs")
    (folder / "robust.yaml").write_text("name: robust\n")
    return folder / "runs"


def test_compare_makes_a_comparison_for_each_task(command: Any, good: Good, runs: Path) -> None:
    done = command("compare", "robust")
    assert done.code == 0
    assert done.err == "left out: robust: 1 of 10 runs is not complete\nruns left out: 1\n"
    lines = done.out.splitlines()
    heads = [line for line, below in itertools.pairwise(lines) if below and set(below) == {"="}]
    assert heads == ["pos, tiny", "xnli, tiny", "wikiann, tiny"]
    assert "pos: rs_aug beside vanilla, accuracy, clean (2 and 2 seeds; equal steps and epochs)" in lines
    assert "NOT COMPARED: vanilla is the only method: there is nothing to compare it with" in lines
    assert any(line.startswith("NOT COMPARED: ") and "8 and 4 examples a batch" in line for line in lines)
    alone = good("compare", "robust", "--filter", "task=pos")
    assert alone == good("compare", "method=vanilla,task=pos", "method=rs_aug,task=pos") and alone in done.out
    any_budget = command("compare", "robust.yaml", "--budget", "any", "--format", "markdown").out
    assert "## xnli, tiny\n" in any_budget and "BUDGETS DIFFER" in any_budget


def test_compare_in_other_forms(command: Any, good: Good, refused: Refused, runs: Path) -> None:
    document = json.loads(command("compare", "robust", "--json", "--budget", "any").out)
    assert document["kind"] == "experiment_comparison" and document["baseline"] == "vanilla"
    assert [one["task"] for one in document["comparisons"]] == ["pos", "xnli"]
    assert [one["task"] for one in document["not_compared"]] == ["wikiann"]
    done = command("compare", "robust", "--format", "csv", "--budget", "any")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert {(row["model"], row["task"]) for row in rows} == {("tiny", "pos"), ("tiny", "xnli")}
    assert "not compared: wikiann, tiny: vanilla is the only method" in done.err
    assert command("compare", "robust", "--format", "latex").out.startswith("% pos, tiny\n")
    typos = json.loads(command("compare", "robust", "--json", "--budget", "any", "--condition", "typos").out)
    assert [one["task"] for one in typos["comparisons"]] == ["pos"]
    assert "--condition typos: known: clean" in next(
        one["reason"] for one in typos["not_compared"] if one["task"] == "xnli"
    )
    schema = json.loads(good("schema", "experiment_comparison"))
    assert schema["properties"]["kind"]["const"] == "experiment_comparison"
    assert "--flips de: name one task, as in --filter task=pos" in refused("compare", "robust", "--flips", "de")
    assert "did you mean 'robust'" in refused("compare", "robust2")


def test_other_commands_take_experiments(command: Any, good: Good, refused: Refused, runs: Path) -> None:
    done = command("runs", "robust", "--json")
    assert done.code == 0 and done.err == "robust: 1 of 10 runs not begun\n"
    rows = json.loads(done.out)["runs"]
    assert len(rows) == 9 and all((runs / row["path"] / "result.json").exists() for row in rows)
    assert "nor an experiment in runs (did you mean 'robust'?)" in refused("runs", "robst")
    out = good("leaderboard", "robust.yaml", "-o", "board.json")
    assert "left out: robust: 1 of 10 runs is not complete" in out
    found = command("analyze", "distance", "robust", "--of", "score", "--distance", "geographic", "--json")
    assert found.code == 0, found.err
    assert "robust: 1 of 10 runs is not complete: left out" in json.loads(found.out)["notes"]
