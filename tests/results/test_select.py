"""The runs that an argument of `compare`, `leaderboard` and `runs` stands for: paths, globs, ids and filters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from handmade_runs import make_run, score, write_runs

from xrobust.errors import UserError
from xrobust.results.schema import RunResult
from xrobust.results.select import Selection, select, select_all
from xrobust.results.store import save_result

SCORES = {"en": 0.9, "de": 0.8, "fr": 0.7}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder `runs`, seen from the working folder: two methods with two seeds, a composed one, a stopped one."""
    monkeypatch.chdir(tmp_path)
    write_runs(
        Path("runs"),
        make_run(SCORES, seed=0),
        make_run(SCORES, seed=1),
        make_run([*rows(), score("de", 0.5, perturbation="pgd(epsilon=0.01,steps=2)")], "adversarial", params=NOISE),
        make_run(SCORES, "adversarial", seed=1, params=NOISE),
        make_run(SCORES, "rs_aug+lora", params={"copies": 3, "mode": "copies"}, task="wikiann"),
        make_run(SCORES, "lora", status="interrupted"),
    )
    return Path("runs")


NOISE = {"epsilon": 0.1, "relative": True, "step_size": None}


def rows() -> list[Any]:
    return [score(language, value) for language, value in SCORES.items()]


def named(selection: Selection) -> list[str]:
    """Method and seed of each run."""
    trains = [run.result.spec.train for run in selection.runs]
    return sorted(f"{'+'.join(part.name for part in train.method)} {train.seed}" for train in trains)


def found(argument: str | Path, **options: Any) -> list[str]:
    return named(select(str(argument), Path("runs"), **options))


def only(folder: Path, **wanted: Any) -> Path:
    """The folder of the one run of a method and seed."""
    (path,) = (one.folder for one in select(",".join(f"{k}={v}" for k, v in wanted.items()), folder).runs)
    return path


def refused(argument: str | Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        select(str(argument), Path("runs"), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewritten(folder: Path, **changes: Any) -> None:
    """Writes the document of a run again, with changes that are none to its spec."""
    document = json.loads((folder / "result.json").read_text())
    save_result(folder, RunResult.model_validate({**document, **changes}))


# ---------------------------------------------------------------------------------------------------- paths and globs

EVERYTHING = ["adversarial 0", "adversarial 1", "rs_aug+lora 0", "vanilla 0", "vanilla 1"]


def test_a_folder_at_any_depth(runs: Path, tmp_path: Path) -> None:
    for argument in ("runs", "runs/", tmp_path, tmp_path / "runs", "."):
        assert found(argument) == EVERYTHING
    assert found("runs/pos/vanilla") == ["vanilla 0", "vanilla 1"]
    selection = select("runs", runs)
    assert [(Path(one.path).parent.name, one.reason, one.by_name) for one in selection.left_out] == [
        ("lora", "the run is interrupted, not complete", False)
    ]
    assert all(run.folder.name == run.result.run_id for run in selection.runs)


def test_a_run_or_its_document(runs: Path) -> None:
    run = only(runs, method="vanilla", seed=1)
    assert found(run) == found(run / "result.json") == ["vanilla 1"]
    shutil.copy(run / "result.json", "published.json")
    assert found("published.json") == ["vanilla 1"]


def test_globs(runs: Path) -> None:
    assert found("runs/pos/*") == [name for name in EVERYTHING if "lora" not in name]
    assert found("runs/**") == found("runs/**/result.json") == EVERYTHING
    assert found("runs/*/van*/*") == ["vanilla 0", "vanilla 1"]
    run = only(runs, method="vanilla", seed=1)
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    assert select("runs/**", runs).left_out == select("runs", runs).left_out
    shutil.copy(run / "result.json", "published.json")
    assert found("publ*.json") == ["vanilla 1"]


def test_paths_that_lead_nowhere(runs: Path) -> None:
    assert refused("nowhere").startswith("nowhere does not exist: name a folder")
    assert refused("x" * 5000).startswith("xxx")
    assert refused("").startswith("'' does not exist")
    assert refused("abcde").startswith("abcde does not exist")
    assert refused("nowhere/*") == "nowhere/* matches nothing"
    Path("empty").mkdir()
    assert refused("empty").startswith("no runs in empty: ")
    assert "none of them is or holds a run" in refused("emp*")
    with pytest.raises(UserError, match="there is no folder elsewhere"):
        select("method=lora", Path("elsewhere"))
    with pytest.raises(UserError, match="no runs in empty"):
        select("abcdef", Path("empty"))


# ---------------------------------------------------------------------------------------------------------------- ids


def test_ids_and_their_beginnings(runs: Path) -> None:
    run = next(run for run in select("method=vanilla,seed=1", runs).runs)
    group = run.result.group_id
    for digits in (6, 7, 16):
        assert found(run.result.run_id[:digits]) == ["vanilla 1"]
        assert found(group[:digits]) == ["vanilla 0", "vanilla 1"]
    assert refused("0" * 16).startswith("no run or group in runs has an id that begins with 0000")
    assert refused(group[:5]).startswith(f"{group[:5]} does not exist")


def test_a_beginning_of_several_ids(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xrobust.results.select.FEWEST_DIGITS", 1)
    ids = {i for run in select("runs", runs).runs for i in (run.result.run_id, run.result.group_id)}
    digit = max("0123456789abcdef", key=lambda digit: sum(i.startswith(digit) for i in ids))
    its = sorted(i for i in ids if i.startswith(digit))
    assert f"several ids in runs: {its[0]}" in refused(digit) and its[1] in refused(digit)


def test_a_run_named_by_its_whole_id_that_is_not_complete(runs: Path) -> None:
    (run,) = select("method=lora", runs, complete=False).runs
    for argument, by_name in ((run.result.run_id, True), (run.result.run_id[:8], False), (str(run.folder), True)):
        (left,) = select(argument, runs).left_out
        assert (left.path, left.by_name) == (str(run.folder), by_name)


# ------------------------------------------------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("task=wikiann", ["rs_aug+lora 0"]),
        ("method=vanilla", ["vanilla 0", "vanilla 1"]),
        ("method=rs_aug+lora", ["rs_aug+lora 0"]),
        ("method=*lora", ["rs_aug+lora 0"]),
        ("model=tiny, method=vanilla", ["vanilla 0", "vanilla 1"]),
        ("source=en,seed=1", ["adversarial 1", "vanilla 1"]),
        ("status=complete,sample=false,seed=0,task=pos", ["adversarial 0", "vanilla 0"]),
        ("condition=pgd(epsilon=0.01,steps=2)", ["adversarial 0"]),
        ("condition=pgd*,seed=0", ["adversarial 0"]),
        ("condition=clean,language=fr,task=wikiann", ["rs_aug+lora 0"]),
        ("method.epsilon=0.1", ["adversarial 0", "adversarial 1"]),
        ("method.epsilon=1e-1", ["adversarial 0", "adversarial 1"]),
        ("method.relative=true", ["adversarial 0", "adversarial 1"]),
        ("method.step_size=null", ["adversarial 0", "adversarial 1"]),
        ("method.rs_aug.copies=3", ["rs_aug+lora 0"]),
        ("method.mode=cop*", ["rs_aug+lora 0"]),
        ("training.learning_rate=1e-3,training.epochs=3,seed=1", ["adversarial 1", "vanilla 1"]),
        ("precision=fp32,limit=null,task=wikiann", ["rs_aug+lora 0"]),
    ],
)
def test_filters(runs: Path, text: str, expected: list[str]) -> None:
    assert found(text) == expected
    assert found("runs", where=text) == expected


def test_a_filter_on_top(runs: Path) -> None:
    group = select("method=vanilla,seed=1", runs).runs[0].result.group_id
    assert found(group, where="seed=0") == ["vanilla 0"]
    assert found("seed=0", where="method=vanilla") == ["vanilla 0"]
    assert found("runs/pos/*", where="method.epsilon=0.1,seed=1") == ["adversarial 1"]
    assert found(f"group={group}") == ["vanilla 0", "vanilla 1"]
    assert "6 runs looked at" in refused("runs", where="seed=3")


@pytest.mark.parametrize("text", ["seed=true", "sample=0", "seed=01x", "method.relative=1", "method.copies=3.5"])
def test_values_of_another_type_do_not_fit(runs: Path, text: str) -> None:
    assert "no run in runs fits" in refused(text)


def test_filters_that_fit_nothing(runs: Path) -> None:
    assert refused("seed=7,method=vanilla") == (
        "no run in runs fits seed=7,method=vanilla (6 runs looked at): seed is 0, 1"
    )
    message = refused("seed=1,method=lora")
    assert message == (
        "no run in runs fits all of seed=1,method=lora (6 runs looked at): "
        "seed is 0, 1; method is adversarial, lora, rs_aug+lora, vanilla"
    )
    assert "method.copies is 3" in refused("method.copies=5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metod=lora", "unknown key 'metod': did you mean 'method'"),
        ("training.epoch=3", "did you mean 'training.epochs'"),
        ("method.epsilo=0.1", "unknown key 'method.epsilo': did you mean 'method.epsilon'"),
        ("zzz=1", "known: "),
        ("method=lora,", "'' is no term"),
        ("method=", "'method=' is no term"),
        ("method=lora,seed", "'seed' is no term"),
    ],
)
def test_what_is_no_filter(runs: Path, text: str, said: str) -> None:
    assert said in refused(text)
    assert said in refused("runs", where=text)


# --------------------------------------------------------------------------------------- damaged and repeated documents


def test_documents_that_cannot_be_used_are_left_out_one_by_one(runs: Path) -> None:
    one, two, three, four, five = (run.folder for run in select("runs", runs).runs)
    (one / "result.json").write_bytes((one / "result.json").read_bytes()[:400])
    for folder, change in (
        (two, {"schema_version": 3}),
        (three, {"supervision": ["bitext"]}),
        (four, {"run_id": "0" * 16}),
    ):
        document = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**document, **change}))
    rewritten(five, scores=[])
    selection = select("runs", runs)
    assert selection.runs == ()
    reasons = {
        Path(left.path).parent if left.path.endswith(".json") else Path(left.path): left.reason
        for left in selection.left_out
    }
    assert reasons[one].startswith("is not a result document: ")
    assert reasons[two] == "schema version 3 where this xrobust reads 1 and 2"
    assert reasons[three] == "supervision does not fit the sha256 in `sums`: the document was changed"
    assert "does not fit the spec in it: the document was changed" in reasons[four]
    assert reasons[five] == "the run has no scores"
    assert not any(left.by_name for left in selection.left_out)
    (left,) = select(str(two), runs).left_out
    assert left.by_name and left.path == str(two / "result.json")
    assert "(2 runs looked at)" in refused("method=mine")
    assert "; documents there that cannot be read: 4" in refused("0" * 16)


def test_a_filter_over_nothing_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{")
    selection = select("method=lora", tmp_path)
    assert (selection.runs, len(selection.left_out)) == ((), 1)


def test_a_run_that_is_there_twice(runs: Path) -> None:
    run = only(runs, method="vanilla", seed=1)
    shutil.copytree(run, "runs/copy")
    selection = select("runs", runs)
    assert named(selection) == EVERYTHING
    assert len(selection.left_out) == 1, "the stopped one: a copy is the same"
    document = json.loads(Path("runs/copy/result.json").read_text())
    older = RunResult.model_validate({**document, "updated": "2001-01-01T00:00:00+00:00"})
    older.sha256 = older.computed_sha256()
    Path("runs/copy/result.json").write_text(older.model_dump_json())
    selection = select("runs", runs)
    assert named(selection) == EVERYTHING
    duplicate = next(left for left in selection.left_out if left.path == "runs/copy")
    assert duplicate.reason == f"of run {run.name} there is another document, which is taken: in {run}"
    assert run in [found.folder for found in selection.runs]


def test_a_link_is_the_same_document(runs: Path) -> None:
    Path("linked").symlink_to(runs / "pos")
    assert found("linked/vanilla") == ["vanilla 0", "vanilla 1"]
    first, second = select_all(["runs", "linked/vanilla"], runs)
    assert {id(run.result) for run in second.runs} < {id(run.result) for run in first.runs}


def test_a_document_is_read_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or read_bytes(path))
    group = select("method=vanilla,seed=0", runs).runs[0].result.group_id
    opened.clear()
    selections = select_all(["runs", "runs/pos", "method=vanilla", group, "runs/*/lora"], runs)
    assert [len(selection.runs) for selection in selections] == [5, 4, 2, 2, 0]
    assert len(opened) == len(set(opened)) == 6
