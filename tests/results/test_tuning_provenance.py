"""How settings were tuned: in the request, in the document, and what `compare` and `leaderboard` say of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scored_runs import accuracy_group

from xrobust import RunSpec, UserError, compare, leaderboard, load_leaderboard, load_result, run
from xrobust.config.tuning_record import TuningSection
from xrobust.report.leaderboard_tables import remarks
from xrobust.results.store import save_result

LANGUAGES = {"en": 0.8, "de": 0.6}


def tuning(trials: int = 2, seeds: tuple[int, ...] = (101,)) -> dict[str, Any]:
    return {
        "trials": trials,
        "scored": 1,
        "seeds": list(seeds),
        "sampler": "tpe",
        "space": {"training.learning_rate": [1e-5, 1e-2, "log"], "training.epochs": {"values": [1, 2]}},
        "metric": "accuracy",
        "chosen": {"training.learning_rate": 5e-3, "training.epochs": 2},
        "values": [
            {"number": 0, "params": {"training.learning_rate": 5e-3, "training.epochs": 2}, "dev": 0.5},
            {"number": 1, "params": {"training.learning_rate": 1e-2, "training.epochs": 1}, "dev": None},
        ],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trails": 3}, r"unknown setting 'tuning\.trails': did you mean 'trials'\?"),
        ({"trials": 0}, r"'tuning\.trials' is 0: "),
        ({"scored": 2}, r"scored is 2, and 1 of the trials in values have a score"),
        ({"values": [{"number": 0, "parms": {}, "dev": 0.5}]}, r"'tuning\.values\.0\.params' is missing"),
        ({"values": [{"number": 0, "params": {}, "dev": float("nan")}]}, r"'tuning\.values\.0\.dev' is nan: "),
    ],
)
def test_a_wrong_record_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        RunSpec.parse({"task": "pos", "tuning": {**tuning(), **change}})
    assert "\n" not in str(caught.value)


def test_a_run_has_it_in_its_document_and_not_in_its_id(
    finished_run: Path, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_run.parents[2], tmp_path / "runs")
    place = tmp_path / "runs" / "pos" / "vanilla" / finished_run.name
    values = {"model": str(tiny_model), "data_dir": tiny_data, "output": tmp_path / "runs"}
    spec = {**values, "task": "pos", "training": {"epochs": 2, "learning_rate": 5e-3}}
    assert run(RunSpec(**spec, tuning=tuning(8))).tuning is None, "a complete document stays as it is"
    stopped = load_result(place)
    stopped.status = "interrupted"
    save_result(place, stopped)
    assert run(RunSpec(**spec, tuning=tuning())).run_id == finished_run.name
    assert load_result(place).tuning == TuningSection(**tuning()), "one that is resumed gets it"
    stopped = load_result(place)
    stopped.status = "interrupted"
    save_result(place, stopped)
    assert run(RunSpec(**spec)).tuning is not None, "and keeps it where the command has none"
    other = run(RunSpec(**{**spec, "training": {"max_steps": 1}, "limit": 8, "languages": "en"}, tuning=tuning()))
    assert other.tuning == TuningSection(**tuning())


def tuned(folders: list[Path], record: dict[str, Any]) -> None:
    for place in folders:
        result = load_result(place)
        result.tuning = TuningSection(**record)
        save_result(place, result)


def notes(folder: Path) -> list[str]:
    document = compare("method=vanilla", "task=pos", runs=folder)
    return [note for note in document.notes if "tuned" in note]


def test_compare_and_leaderboard_say_how_sides_were_tuned(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    sides = {method: accuracy_group(folder, method, LANGUAGES, [1, 2]) for method in ("vanilla", "rs_aug", "lora")}
    assert notes(folder) == [] and not any("tuned" in line for line in remarks(leaderboard(folder)))
    tuned(sides["rs_aug"], tuning(8))
    assert notes(folder) == [
        "rs_aug was tuned with 8 trials, vanilla with none: the difference is partly the tuning's",
    ]
    board = leaderboard(folder)
    assert {one.name: one.tuned_trials for one in board.entries} == {"vanilla": None, "rs_aug": 8, "lora": None}
    (line,) = [line for line in remarks(board) if "tuned" in line]
    assert line.startswith("pos from en: tuned with different numbers of trials, ") and "8 (rs_aug)" in line
    (tmp_path / "board.json").write_text(board.text())
    assert load_leaderboard(tmp_path / "board.json") == board.model_copy(
        update={"sha256": json.loads(board.text())["sha256"]}
    )
    tuned([*sides["vanilla"], *sides["lora"]], tuning(8))
    assert notes(folder) == ["each was tuned with 8 trials, on the source dev set"]
    tuned(sides["lora"], tuning(8, seeds=(101, 102)))
    assert notes(folder) == [
        "lora was tuned with 8 trials of 2 seeds, vanilla with 8 trials: the difference is partly the tuning's"
    ]
    tuned(sides["lora"][:1], tuning(8))
    assert notes(folder)[0] == "the runs of lora were not tuned alike: 8 trials and 8 trials of 2 seeds"
    assert [part.other.tuned_trials for part in compare("method=vanilla", "task=pos", runs=folder).compared] == [8, 8]
