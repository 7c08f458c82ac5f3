"""`xrobust runs`: groups, filters, sorting and JSON. The plain list is in `test_other_commands.py`."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handmade_runs import make_run, score, write_runs

Good = Callable[..., str]
Refused = Callable[..., str]

VANILLA = [{"en": 0.9, "de": 0.5}, {"en": 0.8, "de": 0.5}, {"en": 0.85, "de": 0.6}]


@pytest.fixture
def runs(folder: Path) -> Path:
    """Folder `runs` of the working folder: three seeds, one seed, one of two complete, none complete."""
    unfinished: dict[str, Any] = {"method": "adversarial", "params": {"epsilon": 0.1}}
    return write_runs(
        folder / "runs",
        *(make_run(scores, seed=seed) for seed, scores in enumerate(VANILLA)),
        make_run({"en": 0.7, "de": 0.9}, "rs_aug", params={"copies": 3}),
        make_run({"en": 0.9, "de": 0.8}, "rs_aug", params={"copies": 10}),
        make_run({"en": 0.9, "de": 0.2}, "rs_aug", seed=1, params={"copies": 10}, status="running"),
        make_run([], **unfinished, status="failed"),
    )


def cells(out: str) -> list[list[str]]:
    """The rows of a table whose columns are two spaces or more apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]


def test_groups(good: Good, runs: Path) -> None:
    header, *rows = cells(good("runs", "--group"))
    assert header == ["group", "task", "method", "model", "seeds", "mean", "sd", "state"]
    averages = [statistics.fmean(scores.values()) for scores in VANILLA]
    sd = f"{100 * statistics.stdev(averages):.2f}"
    assert [row[1:] for row in rows] == [
        ["pos", "adversarial", "tiny", "0", "-", "-", "failed"],
        ["pos", "rs_aug(copies=10)", "tiny", "1", "accuracy 85.0 over 2", "-", "1 complete, 1 running"],
        ["pos", "rs_aug(copies=3)", "tiny", "1", "accuracy 80.0 over 2", "-", "complete"],
        ["pos", "vanilla", "tiny", "3", "accuracy 69.2 over 2", sd, "complete"],
    ]
    assert len({row[0] for row in rows}) == 4 and all(len(row[0]) == 16 for row in rows)


def test_a_group_is_averaged_over_what_all_its_seeds_have(good: Good, folder: Path) -> None:
    """Other languages, and the same one on other rows, would make seeds differ for what is no chance."""
    write_runs(
        folder / "runs",
        make_run([score("en", 0.5), score("de", 0.1), score("fr", 0.3, rows="old")]),
        make_run([score("en", 0.7), score("fr", 0.4, rows="new"), score("en", 0.0, perturbation="typos")], seed=1),
        make_run({"en": 0.5}, "lora"),
        make_run({"de": 0.5}, "lora", seed=1),
    )
    nothing, found = json.loads(good("runs", "--group", "--json"))["groups"]
    assert (found["languages"], found["mean"]) == (1, pytest.approx(0.6))
    assert found["sd"] == pytest.approx(statistics.stdev([0.5, 0.7]))
    assert (nothing["method"], nothing["languages"], nothing["mean"], nothing["sd"]) == ("lora", 0, None, None)


def test_a_run_that_is_there_twice_counts_once_in_its_group(good: Good, runs: Path) -> None:
    shutil.copytree(runs / "pos" / "vanilla", runs / "copies")
    assert cells(good("runs", "--group", "--filter", "method=vanilla"))[1][4] == "3"
    assert len(cells(good("runs", "--filter", "method=vanilla"))) == 1 + 6


def test_filters(good: Good, refused: Refused, runs: Path) -> None:
    (line,) = cells(good("runs", "--filter", "method=rs_aug,method.copies=3"))[1:]
    assert line[1:6] == ["pos", "rs_aug", "0", "complete", "accuracy 80.0 over 2"]
    assert len(cells(good("runs", "--filter", "method=rs*", "--filter", "status=running"))) == 2
    assert "seed is 0, 1, 2" in refused("runs", "--filter", "seed=3")
    assert "did you mean 'seed'?" in refused("runs", "--filter", "sed=3")


def test_sorting(good: Good, refused: Refused, runs: Path) -> None:
    def column(name: str, *options: str) -> list[str]:
        return [str(row[name]) for row in json.loads(good("runs", "--json", *options))["runs"]]

    averages = sorted([0.7, 0.65, 0.725, 0.8, 0.85, 0.55])
    for sign, expected in (("", averages), ("-", averages[::-1])):
        given = column("average", "--sort", f"{sign}average")
        assert [float(value) for value in given[:-1]] == pytest.approx(expected)
        assert given[-1] == "None", "the run without scores comes last either way"
    assert column("seed", "--sort=-seed")[:4] == ["2", "1", "1", "0"]
    ages = column("updated", "--sort", "age")
    assert ages == sorted(ages, reverse=True)
    groups = json.loads(good("runs", "--group", "--json", "--sort", "-seeds"))["groups"]
    assert [len(row["seeds"]) for row in groups] == [3, 1, 1, 0]
    assert "there is no column 'averag': did you mean 'average'?" in refused("runs", "--sort", "-averag")
    assert "there is no column 'average'" in refused("runs", "--group", "--sort", "average")
    for name in "run task method seed state average age folder".split():
        assert len(cells(good("runs", "--sort", name))) == 8
    for name in "group task method model seeds mean sd state".split():
        assert len(cells(good("runs", "--group", "--sort", name))) == 5


def test_json(good: Good, runs: Path) -> None:
    (runs / "cut").mkdir()
    (runs / "cut" / "result.json").write_text("{")
    document = json.loads(good("runs", runs, "--json"))
    rows = {(row["method"], row["seed"], row["average"]): row for row in document["runs"]}
    assert len(rows) == 7
    row = next(row for row in document["runs"] if row["method"] == "vanilla" and row["seed"] == 2)
    assert row["average"] == pytest.approx(0.725) and row["languages"] == 2 and row["metric"] == "accuracy"
    assert row["path"] == f"pos/vanilla/{row['run_id']}" and (runs / row["path"] / "result.json").exists()
    assert not any(isinstance(value, dict | list) for value in row.values())
    failed = next(row for row in document["runs"] if row["status"] == "failed")
    assert failed["average"] is None and failed["languages"] == 0
    (left,) = document["left_out"]
    assert left["path"] == str(runs / "cut" / "result.json")
    assert left["reason"].startswith("is not a result document: ")
    groups = json.loads(good("runs", runs, "--json", "--group"))
    assert [row["states"] for row in groups["groups"]][1] == {"complete": 1, "running": 1}
    assert groups["left_out"] == [left]


def test_json_of_nothing(good: Good, folder: Path) -> None:
    (folder / "runs").mkdir()
    assert json.loads(good("runs", "--json")) == {"runs": [], "left_out": []}
    assert json.loads(good("runs", "--json", "--group", "--filter", "seed=1")) == {"groups": [], "left_out": []}
