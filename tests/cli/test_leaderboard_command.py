"""`xrobust leaderboard` through the command line: build, show, merge, verify, exit codes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scored_runs import accuracy_group

Good = Callable[..., str]
Refused = Callable[..., str]

LANGUAGES = {"en": 0.8, "de": 0.6}
BETTER = {"en": 0.8, "de": 0.72}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "runs"
    for task in ("pos", "xnli"):
        accuracy_group(folder, "vanilla", LANGUAGES, [1, 2], drop=0.2, spread=0.002, task=task)
        accuracy_group(folder, "rs_aug", BETTER, [1, 2], drop=0.1, spread=0.002, task=task)
    return folder


@pytest.fixture
def runs(written: Path, folder: Path) -> Path:
    """`runs` in the working folder: two tasks, two methods, two seeds."""
    shutil.copytree(written, folder / "runs")
    return folder / "runs"


def test_build_prints_tables_and_writes_the_document(good: Good, runs: Path) -> None:
    out = good("leaderboard", "runs", "-o", "leaderboard.json")
    assert (
        "pos from en: accuracy, 2 languages, strict zero-shot, equal steps (1 of 8 examples, 0 looks at the dev set), "
        "verified by predictions" in out
    )
    assert "over pos, xnli: Borda count, strict zero-shot" in out
    assert out.splitlines()[-1] == "leaderboard.json: 4 entries of 8 runs, 0 left out"
    assert good("leaderboard", "build", "runs").splitlines()[0] == out.splitlines()[0]
    document = json.loads(Path("leaderboard.json").read_text())
    assert document["kind"] == "leaderboard" and len(document["entries"]) == 4
    assert good("leaderboard", "show", "leaderboard.json") in out


def test_show_sorts_and_has_forms(good: Good, refused: Refused, runs: Path) -> None:
    good("leaderboard", "runs", "-o", "board.json")
    rows = list(csv.DictReader(io.StringIO(good("leaderboard", "show", "board.json", "--format", "csv"))))
    assert [row["entry"] for row in rows if row["task"] == "pos"] == ["rs_aug", "vanilla"]
    by_drop = json.loads(good("leaderboard", "show", "board.json", "--sort", "pos.typos drop", "--format", "json"))
    assert [row["entry"] for row in by_drop if row["task"] == "pos"] == ["rs_aug", "vanilla"]
    assert by_drop[0]["typos drop"] < by_drop[1]["typos drop"]
    sorted_by_en = good("leaderboard", "show", "board.json", "--sort", "pos.en")
    assert " en (n " in sorted_by_en.splitlines()[1]
    assert "| rs\\_aug |" in good("leaderboard", "show", "board.json", "--format", "markdown")
    assert "\\toprule" in good("leaderboard", "show", "board.json", "--format", "latex")
    assert " de (n " in good("leaderboard", "show", "board.json", "--languages")
    assert "did you mean 'average'" in refused("leaderboard", "show", "board.json", "--sort", "avrage")
    assert "no task 'poss'" in refused("leaderboard", "show", "board.json", "--sort", "poss.de")


def test_merge_and_verify(good: Good, command: Any, runs: Path) -> None:
    good("leaderboard", "runs/pos", "-o", "pos.json")
    good("leaderboard", "runs/xnli", "-o", "xnli.json")
    assert "Borda" in good("leaderboard", "merge", "pos.json", "xnli.json", "-o", "both.json")
    assert "each number computed again from the values by seed in it" in good("leaderboard", "verify", "both.json")
    out = good("leaderboard", "verify", "pos.json", "--runs", "runs")
    assert "2 entries of 4 runs, each number computed again from its predictions in runs" in out
    shutil.rmtree(next((runs / "pos" / "rs_aug").iterdir()))
    done = command("leaderboard", "verify", "pos.json", "--runs", "runs")
    assert done.code == 1 and "is not among the verified runs" in done.err


def test_exit_code_where_a_named_document_is_left_out(command: Any, runs: Path) -> None:
    damaged = sorted(runs.rglob("result.json"))[0]
    damaged.write_text("{")
    done = command("leaderboard", "runs")
    assert done.code == 0 and "left out: " in done.out
    done = command("leaderboard", *sorted(file.relative_to(runs.parent) for file in runs.rglob("result.json")))
    assert done.code == 1 and "a document that was named is left out: " in done.err


def test_sample_data_are_taken_on_request(command: Any, good: Good, folder: Path) -> None:
    from xrobust.results.store import load_result, save_result

    for place in accuracy_group(folder / "runs", "vanilla", LANGUAGES, [1, 2]):
        result = load_result(place)
        result.sample = True
        save_result(place, result)
    done = command("leaderboard", "runs")
    assert done.code == 2 and "--sample" in done.err
    assert "SAMPLE DATA" in good("leaderboard", "runs", "--sample")


def test_schemas(good: Good) -> None:
    for document in ("result", "comparison", "leaderboard"):
        assert json.loads(good("schema", document))["type"] == "object"
    assert json.loads(good("schema")) == json.loads(good("schema", "result"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["show", "nothing.json"], "nothing.json is not a leaderboard: No such file or directory\n"),
        (["merge", "nothing.json"], "nothing.json is not a leaderboard"),
        (["runs", "-o", "."], "is a folder"),
        (["runs", "--verify", "nothing"], "nothing"),
    ],
)
def test_wrong_arguments(refused: Refused, runs: Path, arguments: list[str], message: str) -> None:
    assert message in refused("leaderboard", *arguments)


@pytest.mark.parametrize("value", ['"\\ud800"', "1e999", "NaN"])
def test_a_value_that_no_document_has_is_one_line(good: Good, refused: Refused, runs: Path, value: str) -> None:
    """Half of a surrogate pair, and numbers that are not finite, which would be hashed and written back as null."""
    good("leaderboard", "runs", "-o", "board.json")
    text = Path("board.json").read_text()
    document = json.loads(text)
    assert document["entries"][0]["conditions"][0]["targets"] is not None
    for place in ("sd", "targets"):
        changed = json.loads(text)
        changed["entries"][0]["conditions"][0][place] = "@"
        Path("board.json").write_text(json.dumps(changed).replace('"@"', value))
        said = refused("leaderboard", "show", "board.json")
        assert "board.json" in said and ("surrogate" in said or f"{place} is " in said)
