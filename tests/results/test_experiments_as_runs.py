"""Experiments as arguments that stand for runs: by name, file and folder; trials of tuning, which are no results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from handmade_experiment import asked, write_index
from scored_runs import accuracy_group

from xrobust import UserError, compare, compare_experiment, leaderboard, load_result, load_results
from xrobust.results.comparing.document import experiment_comparison_schema
from xrobust.results.select import Selection, select
from xrobust.results.store import save_result


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`runs/robust`: an experiment on two tasks, a run of which is missing, with trials, beside a run of another."""
    folder = tmp_path_factory.mktemp("written")
    output = folder / "runs" / "robust"
    runs = [
        *asked(output, "pos", "vanilla"),
        *asked(output, "pos", "rs_aug", missing=[2]),
        *asked(output, "xnli", "vanilla"),
        *asked(output, "xnli", "rs_aug"),
    ]
    accuracy_group(output, "lora", {"en": 0.8, "de": 0.6}, [1], n=60)
    experiment = write_index(output, "robust", runs)
    accuracy_group(experiment / "trials" / "pos", "rs_aug", {"en": 0.8, "de": 0.6}, [101, 102], n=60)
    (folder / "robust.yaml").write_text("name: robust\noutput: runs/robust\ntasks: [pos, xnli]\n")
    return folder


@pytest.fixture
def work(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to be changed, as the working folder."""
    shutil.copytree(written, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def named(selection: Selection) -> list[str]:
    trains = [run.result.spec.train for run in selection.runs]
    return sorted(f"{train.task} {train.method_name} {train.seed}" for train in trains)


ASKED = [
    *("pos rs_aug 1", "pos vanilla 1", "pos vanilla 2"),
    *("xnli rs_aug 1", "xnli rs_aug 2", "xnli vanilla 1", "xnli vanilla 2"),
]
EXPERIMENT = "runs/robust/experiments/robust"


@pytest.mark.parametrize("argument", ["robust", "robust.yaml", EXPERIMENT, f"{EXPERIMENT}/experiment.json"])
def test_an_experiment_is_its_runs_and_those_that_lack_are_counted(work: Path, argument: str) -> None:
    selection = select(argument, Path("runs"))
    assert named(selection) == ASKED
    (left,) = selection.left_out
    assert (left.path, left.reason, left.runs) == ("robust", "1 of 8 runs is not complete", 1)


def test_a_name_is_looked_up_in_the_output_itself_too(work: Path) -> None:
    assert named(select("robust", work / "runs" / "robust")) == ASKED


def test_runs_that_stopped_or_are_damaged_are_named_and_counted(work: Path) -> None:
    stopped, damaged = sorted((work / "runs/robust/xnli/vanilla").iterdir())
    result = load_result(stopped)
    result.status = "interrupted"
    save_result(stopped, result)
    (damaged / "result.json").write_text("{")
    left = [(item.reason, item.runs) for item in select("robust", Path("runs")).left_out]
    assert left[-1] == ("3 of 8 runs are not complete", 1)
    assert ("the run is interrupted, not complete", 1) in left and len(left) == 3


def test_a_filter_holds_for_runs_that_lack_too(work: Path) -> None:
    assert select("robust", Path("runs"), where="task=xnli").left_out == ()
    (left,) = select("robust", Path("runs"), where="method=rs_*,seed=2").left_out
    assert left.reason == "1 of 2 runs is not complete"
    only_missing = select("robust", Path("runs"), where="task=pos,method=rs_aug,seed=2")
    assert only_missing.runs == () and only_missing.left_out[0].reason == "1 of 1 runs is not complete"
    with pytest.raises(UserError, match="no run in experiment robust fits method=lora"):
        select("robust", Path("runs"), where="method=lora")


def refused(argument: str) -> str:
    with pytest.raises(UserError) as caught:
        select(argument, Path("runs"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_experiment(work: Path) -> None:
    assert "or an experiment in runs (did you mean 'robust'?)" in refused("robst")
    (work / "new.yml").write_text("name: new\noutput: runs\n")
    assert refused("new.yml") == (
        "new.yml: the experiment new was not started, there is no runs/experiments/new/experiment.json: xrobust sweep "
        "new.yml"
    )
    (work / "spec.yaml").write_text("task: pos\n")
    assert "spec.yaml is no file of an experiment: that has a 'name'" in refused("spec.yaml")
    (work / EXPERIMENT / "experiment.json").write_text('{"name": "robust"}')
    assert "is no index of an experiment (baseline: Field required)" in refused("robust")


def test_two_experiments_of_one_name(work: Path) -> None:
    write_index(work / "runs", "robust", [])
    assert refused("robust") == (
        "robust: experiments of that name are runs/experiments/robust and runs/robust/experiments/robust: name one of "
        "these"
    )
    assert named(select(EXPERIMENT, Path("runs"))) == ASKED


@pytest.mark.parametrize(
    "argument", ["runs", "runs/**", "runs/*", "runs/robust/*/*/*", "runs/robust/**/*.json", "task=*"]
)
def test_trials_are_no_results(work: Path, argument: str) -> None:
    selection = select(argument, Path("runs"))
    assert named(selection) == sorted([*ASKED, "pos lora 1"]) and selection.left_out == ()


@pytest.mark.parametrize("argument", ["trials", "trials/pos", "trials/**", "trials/pos/*/*"])
def test_trials_are_taken_where_they_are_named(work: Path, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(select(f"{EXPERIMENT}/{argument}", Path("runs"))) == ["pos rs_aug 101", "pos rs_aug 102"]
    assert named(select(f"runs/*/experiments/*/{argument}", Path("runs"))) == ["pos rs_aug 101", "pos rs_aug 102"]
    monkeypatch.chdir(work / EXPERIMENT / "trials")
    assert named(select(".", Path())) == ["pos rs_aug 101", "pos rs_aug 102"]


def test_a_folder_with_nothing_but_trials_says_so(work: Path) -> None:
    assert "at any depth but in trials of tuning, which are no results" in refused("runs/robust/experiments")


def test_python_compares_each_task(work: Path) -> None:
    document = compare_experiment("robust")
    assert [
        (one.task, one.baseline.method, [p.other.method for p in one.compared]) for one in document.comparisons
    ] == [
        ("pos", "vanilla", ["rs_aug"]),
        ("xnli", "vanilla", ["rs_aug"]),
    ]
    assert [(item.path, item.reason) for item in document.excluded] == [("robust", "1 of 8 runs is not complete")]
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(document.text()), experiment_comparison_schema())
    with pytest.raises(
        UserError, match=r"^robust: the experiment has 2 comparisons \(pos, tiny; xnli, tiny\): narrow it"
    ):
        compare("robust")
    single = compare("robust", where="task=xnli")
    assert single == compare("task=xnli,method=vanilla", "task=xnli,method=rs_aug") == document.comparisons[1]
    with pytest.raises(UserError, match="runs is no experiment"):
        compare_experiment("runs")


def test_a_method_without_a_complete_run_is_named(work: Path) -> None:
    shutil.rmtree(work / "runs/robust/pos/rs_aug")
    index = work / EXPERIMENT / "experiment.json"
    document = json.loads(index.read_text())
    document["runs"].append({**document["runs"][-1], "name": "xnli-lora-1", "method": "lora", "folder": None})
    index.write_text(json.dumps(document))
    compared = compare_experiment("robust")
    assert compared.comparisons[0].notes[-1] == "NOT COMPARED: lora: none of its runs is complete"
    (left,) = compared.not_compared
    assert (left.task, left.reason) == ("pos", "no run of another method than the baseline vanilla is complete")
    with pytest.raises(UserError, match=r"^no run of another .* \(robust: 2 of 4 runs are not"):
        compare("robust", where="task=pos")
    with pytest.raises(UserError, match="the baseline vanilla is not among the runs asked for"):
        compare("robust", where="method=rs_aug,task=xnli")


def test_leaderboards_and_tables_take_experiments(work: Path) -> None:
    board = leaderboard("robust")
    assert sorted((one.task, one.name) for one in board.entries) == [
        ("pos", "rs_aug"),
        ("pos", "vanilla"),
        ("xnli", "rs_aug"),
        ("xnli", "vanilla"),
    ]
    assert [(item.path, item.reason) for item in board.excluded] == [("robust", "1 of 8 runs is not complete")]
    assert leaderboard("robust", where="task=xnli").excluded == []
    assert sorted(load_results("robust")["run_id"].unique()) == sorted(r.run_id for e in board.entries for r in e.runs)
