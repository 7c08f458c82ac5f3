"""The leaderboard: ranks, what is left out, merging, verifying; numbers beside those of `compare`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade_runs import make_run, write_runs
from scored_runs import accuracy_group, under_attack

from xrobust.errors import UserError
from xrobust.metrics.inference import infer_level
from xrobust.report.leaderboard_tables import BUDGET, leaderboard_tables
from xrobust.results.board.document import Entry, Leaderboard, leaderboard_schema
from xrobust.results.board.merge import disagreements, merge_leaderboards, recomputed
from xrobust.results.compare import compare, open_sides
from xrobust.results.comparing.sides import shared_tests, side_arrays
from xrobust.results.leaderboard import BoardOptions, build_leaderboard, leaderboard, load_leaderboard, rebuilt
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import load_result, save_result

LANGUAGES = {"en": 0.8, "de": 0.6, "fr": 0.55}
BETTER = {"en": 0.85, "de": 0.7, "fr": 0.65}
SEEDS = [1, 2, 3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods on two tasks, three seeds each; adversarial is like vanilla."""
    folder = tmp_path_factory.mktemp("board") / "runs"
    for task in ("pos", "xnli"):
        accuracy_group(folder, "vanilla", LANGUAGES, SEEDS, drop=0.2, spread=0.004, task=task)
        accuracy_group(folder, "adversarial", LANGUAGES, SEEDS, drop=0.2, spread=0.004, task=task)
        accuracy_group(folder, "rs_aug", BETTER, SEEDS, drop=0.1, spread=0.004, task=task)
    return folder


@pytest.fixture
def runs(built: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(built, tmp_path / "runs")
    return tmp_path / "runs"


def entry(board: Leaderboard, method: str, task: str = "pos") -> Entry:
    return next(one for one in board.entries if (one.task, one.name) == (task, method))


def rank(board: Leaderboard, method: str, label: str = "clean") -> int | None:
    row = entry(board, method).under(label)
    assert row is not None
    return row.rank


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    """Changes a document and signs it again."""
    result = load_result(folder)
    change(result)
    save_result(folder, result)


def one_run(runs: Path, method: str = "rs_aug", task: str = "pos") -> Path:
    return sorted((runs / task / method).iterdir())[0]


def test_rank_counts_the_entries_that_are_significantly_better(built: Path) -> None:
    board = leaderboard(built)
    assert [rank(board, method) for method in ("rs_aug", "vanilla", "adversarial")] == [1, 2, 2]
    assert [rank(board, method, "typos") for method in ("rs_aug", "vanilla", "adversarial")] == [1, 2, 2]
    ties = [entry(board, method).under() for method in ("rs_aug", "vanilla", "adversarial")]
    assert [row.rank_to for row in ties if row] == [1, 3, 3]
    assert board.documents == 18 and len(board.boards) == 2 and not board.excluded
    assert board.verified == "predictions"


def test_tests_and_intervals_are_those_of_compare(built: Path) -> None:
    board = leaderboard(built)
    row = compare("method=vanilla", "method=rs_aug", runs=built, where="task=pos").compared[0].find()
    (pos,) = [one for one in board.boards if one.task == "pos"]
    ids = {entry(board, "vanilla").id, entry(board, "rs_aug").id}
    assert pos.tests is not None
    (test,) = [test for test in pos.tests if {test.better, test.worse} == ids and test.label == "clean"]
    assert test.difference == pytest.approx(row.difference)
    assert test.p == pytest.approx(row.p, rel=1e-3), "influences are kept in single precision"
    clean = entry(board, "vanilla").under()
    assert (
        clean is not None and clean.mean == pytest.approx(row.baseline) and clean.sd == pytest.approx(row.baseline_sd)
    )
    assert clean.ci_low is not None and clean.ci_low < clean.mean < (clean.ci_high or 0)


def test_the_interval_of_an_entry_is_that_of_one_side(built: Path) -> None:
    sides = open_sides(["method=vanilla", "method=rs_aug"], built, where="task=pos")
    tests = shared_tests(sides.baseline.runs[0], [ScoreKey(language=language) for language in LANGUAGES])
    level = infer_level(side_arrays(sides.baseline, tests, "score"), tests.clusters)
    clean = entry(leaderboard(built), "vanilla").under()
    assert level is not None and clean is not None
    assert (clean.ci_low, clean.ci_high) == (pytest.approx(level.low, rel=1e-6), pytest.approx(level.high, rel=1e-6))


def test_means_gap_and_drop(built: Path) -> None:
    one = entry(leaderboard(built), "vanilla")
    results = [load_result(folder) for folder in (built / "pos" / "vanilla").iterdir()]
    clean, typos = one.under(), one.under("typos")
    assert clean is not None and typos is not None
    assert clean.mean == pytest.approx(np.mean([r.summary.average for r in results if r.summary]))
    assert clean.targets == pytest.approx(np.mean([r.summary.average_targets for r in results if r.summary]))
    assert clean.transfer_gap == pytest.approx(np.mean([r.summary.transfer_gap for r in results if r.summary]))
    drops = [row.drop for r in results for row in r.scores if row.perturbation == "typos"]
    assert typos.drop == pytest.approx(np.mean(drops))
    assert one.seeds == SEEDS and one.zero_shot and len(one.scores) == 9


def test_borda_counts_over_tasks(built: Path) -> None:
    (overall,) = leaderboard(built).overall
    assert overall.entries[0].name == "rs_aug"
    assert overall.entries[0].borda == 4, "it scores higher than two others on two tasks"
    assert all(one.ci_low <= one.borda <= one.ci_high for one in overall.entries)


def test_equal_input_gives_equal_bytes(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "elsewhere" / "runs")
    assert leaderboard(built).text() == leaderboard(tmp_path / "elsewhere" / "runs").text()


def test_it_names_no_path_of_the_machine(runs: Path) -> None:
    shutil.rmtree(one_run(runs) / "predictions")
    text = leaderboard(runs).text()
    assert str(runs) not in text and "predictions are missing" in text


def test_it_fits_its_schema_and_loads_again(built: Path, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    board = leaderboard(built)
    jsonschema.validate(json.loads(board.text()), leaderboard_schema())
    (tmp_path / "board.json").write_text(board.text())
    assert disagreements(load_leaderboard(tmp_path / "board.json"), board) == []
    spaced = tmp_path / "spaced.json"
    spaced.write_text(json.dumps(json.loads(board.text()), indent=4))
    assert load_leaderboard(spaced).entries == board.entries, "white space is no change"


def test_documents_alone_give_wider_bounds_and_no_better_ranks(built: Path) -> None:
    exact, bound = leaderboard(built), leaderboard(built, verify="documents")
    assert bound.verified == "documents" and {one.examples_from for one in bound.boards} == {"bound"}
    for one in exact.entries:
        mine, its = one.under(), bound.entry(one.id).under()
        assert mine is not None and its is not None and mine.mean == its.mean
        assert its.examples_variance >= mine.examples_variance


def signed(change: Callable[[Any], None]) -> Callable[[Path], None]:
    return lambda runs: edit(one_run(runs), change)


def set_value(result: Any) -> None:
    row = result.scores[0].__dict__
    row.update(value=row["value"] + 0.05, ci_high=1.0)


def tampered(runs: Path) -> None:
    file = one_run(runs) / "result.json"
    file.write_text(file.read_text().replace('"value": 0.', '"value": 0.9', 1))


def truncated(runs: Path) -> None:
    file = one_run(runs) / "result.json"
    file.write_bytes(file.read_bytes()[:2000])


def newer(runs: Path) -> None:
    file = one_run(runs) / "result.json"
    file.write_text(file.read_text().replace('"schema_version": 2', '"schema_version": 9'))


def unsigned(runs: Path) -> None:
    file = one_run(runs) / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": None}))


def other_predictions(runs: Path) -> None:
    folder = one_run(runs) / "predictions"
    shutil.copy(folder / "de.parquet", folder / "fr.parquet")


def duplicate(runs: Path) -> None:
    copy = runs / "copy" / "rs_aug"
    shutil.copytree(one_run(runs), copy)
    edit(copy, lambda result: result.warnings.append("another"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (signed(set_value), "its predictions give accuracy"),
        (signed(lambda result: result.scores[0].__dict__.update(value=1.5, ci_high=2.0)), "out of bounds"),
        (signed(lambda result: result.scores[1].__dict__.update(n=0)), "out of bounds"),
        (signed(lambda result: setattr(result, "sample", True)), "sample data"),
        (signed(lambda result: setattr(result, "status", "failed")), "failed, not complete"),
        (signed(lambda result: result.scores.append(result.scores[0])), "occurs twice"),
        (tampered, "scores does not fit the sha256"),
        (unsigned, "sha256 does not fit"),
        (truncated, "not a result document"),
        (newer, "schema version 9"),
        (other_predictions, "was changed since it was written"),
        (lambda runs: (one_run(runs) / "predictions" / "fr.parquet").unlink(), "predictions are missing"),
        (duplicate, "duplicate run id"),
    ],
)
def test_nothing_unverified_is_averaged_in(runs: Path, damage: Callable[[Path], None], reason: str) -> None:
    damage(runs)
    board = leaderboard(runs)
    (left,) = board.excluded
    assert reason in left.reason
    assert not Path(left.path).is_absolute()
    seeds = len(entry(board, "rs_aug").runs)
    assert seeds == (3 if damage is duplicate else 2), "the others are still there"


def test_what_was_named_is_told_from_what_a_folder_held(runs: Path) -> None:
    truncated(runs)
    _, named = build_leaderboard([runs])
    assert not named
    files = [*(runs / "pos").rglob("result.json")]
    _, named = build_leaderboard(files)
    assert len(named) == 1


def test_runs_named_one_by_one_count_though_their_predictions_fail(runs: Path) -> None:
    (one_run(runs) / "predictions" / "de.parquet").unlink()
    _, named = build_leaderboard([one_run(runs), runs])
    assert len(named) == 1


def test_a_filter_holds_for_what_is_left_out(runs: Path) -> None:
    edit(one_run(runs), lambda result: setattr(result, "status", "failed"))
    assert build_leaderboard([runs], BoardOptions(where="task=pos"))[0].excluded
    assert not build_leaderboard([runs], BoardOptions(where="task=xnli"))[0].excluded


def test_entries_of_one_seed_do_not_set_the_coverage(runs: Path) -> None:
    for method in ("vanilla", "adversarial"):
        for run in sorted((runs / "pos" / method).iterdir())[1:]:
            shutil.rmtree(run)
    for run in (runs / "pos" / "rs_aug").iterdir():
        edit(run, lambda r: setattr(r, "scores", [row for row in r.scores if row.language != "fr"]))
    assert rank(leaderboard(runs), "rs_aug") == 1


def test_other_coverage_is_listed_without_a_rank(runs: Path) -> None:
    for run in (runs / "pos" / "rs_aug").iterdir():
        edit(run, lambda r: setattr(r, "scores", [row for row in r.scores if row.language != "fr"]))
    board = leaderboard(runs)
    row = entry(board, "rs_aug").under()
    assert row is not None and row.rank is None and row.unranked is not None and "lacks fr" in row.unranked
    assert rank(board, "vanilla") == 1


def test_attacks_of_another_strength_are_listed_without_a_rank(runs: Path) -> None:
    label = "pgd(epsilon=0.01)"
    for method in ("vanilla", "adversarial", "rs_aug"):
        strength = {"radius": 0.02, "attack_losses": "margin", "attack_steps": 20 if method == "rs_aug" else 10}
        for run in (runs / "pos" / method).iterdir():
            edit(run, under_attack(label, **strength, attack_restarts=1))
    board = leaderboard(runs)
    row = entry(board, "rs_aug").under(label)
    assert row is not None and row.rank is None and "strength of the attack" in (row.unranked or "")
    assert {rank(board, method, label) for method in ("vanilla", "adversarial")} <= {1, 2}


def test_languages_that_only_some_seeds_have_are_left_out_of_the_mean(runs: Path) -> None:
    edit(one_run(runs), lambda r: setattr(r, "scores", [row for row in r.scores if row.language != "fr"]))
    row = entry(leaderboard(runs), "rs_aug").under()
    assert row is not None and row.some_runs_only == ["fr"] and row.test_sets == 2


def test_one_seed_is_not_ranked(runs: Path) -> None:
    for run in sorted((runs / "pos" / "rs_aug").iterdir())[1:]:
        shutil.rmtree(run)
    row = entry(leaderboard(runs), "rs_aug").under()
    assert row is not None and row.rank is None and "one seed" in (row.unranked or "")


def test_budgets_and_supervision_have_boards_of_their_own(runs: Path) -> None:
    for run in (runs / "pos" / "rs_aug").iterdir():
        edit(run, lambda r: setattr(r.training.budget, "steps", 50))
    for run in (runs / "pos" / "adversarial").iterdir():
        edit(run, lambda r: r.supervision.append("target_unlabelled"))
    board = leaderboard(runs)
    assert len([one for one in board.boards if one.task == "pos"]) == 3
    assert {one.zero_shot for one in board.boards} == {True, False}
    together = leaderboard(runs, budget="any")
    (marked,) = [one for one in together.boards if one.task == "pos" and one.zero_shot]
    assert marked.budgets_differ and len(marked.entries) == 2


def test_entries_of_other_hyperparameters_stand_on_one_board_with_their_budgets(runs: Path) -> None:
    for run in (runs / "pos" / "rs_aug").iterdir():
        edit(run, lambda r: setattr(r.training.budget, "processed_tokens", 160))
    board = leaderboard(runs)
    table = next(table for table in leaderboard_tables(board) if table.title.startswith("pos"))
    assert "equal steps (1 of 8 examples, 0 looks at the dev set)" in table.title
    cells = {row["entry"]: row for row in (dict(zip(table.columns, row, strict=True)) for row in table.rows)}
    shown = [[cells[name][column] for column in BUDGET] for name in ("vanilla", "rs_aug")]
    assert shown == [["1", "8", "8", "-", "0", "1"], ["1", "8", "8", "160", "0", "1"]]


def test_a_board_that_was_written_with_fewer_fields_can_be_read(runs: Path, tmp_path: Path) -> None:
    text = leaderboard(runs).text()
    older = text.replace('"processed_tokens":null,', "")
    assert older != text
    sha256 = hashlib.sha256("\n".join(older.split("\n")[1:-3]).removesuffix(",").encode()).hexdigest()
    file = tmp_path / "board.json"
    file.write_text(re.sub(r'"sha256":"\w+"\n}\n$', f'"sha256":"{sha256}"\n}}\n', older), "utf-8")
    assert load_leaderboard(file).entries[0].runs[0].processed_tokens is None
    file.write_text(file.read_text("utf-8").replace('"seed":1,', '"seed":7,', 1), "utf-8")
    with pytest.raises(UserError, match="its sha256 does not fit its content"):
        load_leaderboard(file)


def test_a_second_build_reads_only_what_is_new(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = tmp_path / "runs"
    shutil.copytree(built, runs, copy_function=shutil.copyfile)
    hour_ago = 3600

    def aged() -> None:  # files of the last seconds are always read
        for file in runs.rglob("result.json"):
            state = file.stat()
            os.utime(file, (state.st_atime - hour_ago, state.st_mtime - hour_ago))

    aged()
    read: list[Path] = []
    from xrobust.results.board import index

    real = index.read
    monkeypatch.setattr(index, "read", lambda file: (read.append(file), real(file))[1])
    monkeypatch.setattr(index, "YOUNG", -3600.0)
    first = leaderboard(runs, verify="documents").text()
    assert len(read) == 18
    assert leaderboard(runs, verify="documents").text() == first
    assert len(read) == 18
    accuracy_group(runs, "lora", BETTER, [1], task="pos")
    board = leaderboard(runs, verify="documents")
    assert len(read) == 19 and entry(board, "lora")


def test_merging_unites_entries_and_keeps_their_tests(built: Path, tmp_path: Path) -> None:
    parts = []
    for name, methods in (("one", ("vanilla", "rs_aug")), ("other", ("adversarial",))):
        for method in methods:
            shutil.copytree(built / "pos" / method, tmp_path / name / "pos" / method)
        parts.append(leaderboard(tmp_path / name))
    merged = merge_leaderboards(parts)
    whole = leaderboard(built / "pos")
    assert {one.id for one in merged.entries} == {one.id for one in whole.entries}
    ids = {entry(merged, "vanilla").id, entry(merged, "rs_aug").id}

    def variance(board: Leaderboard) -> float:
        tests = [test for one in board.boards for test in one.tests or ()]
        return next(t.examples_variance for t in tests if {t.better, t.worse} == ids and t.label == "clean")

    assert variance(merged) == variance(whole)
    assert merge_leaderboards([whole, whole]).entries == whole.entries
    assert merge_leaderboards(parts).text() == merged.text()


def test_merging_unites_seeds(built: Path, tmp_path: Path) -> None:
    for i, run in enumerate(sorted((built / "pos" / "vanilla").iterdir())):
        shutil.copytree(run, tmp_path / ("one" if i else "other") / "pos" / "vanilla" / run.name)
    merged = merge_leaderboards([leaderboard(tmp_path / "one"), leaderboard(tmp_path / "other")])
    (only,) = merged.entries
    assert only.seeds == SEEDS


def test_verifying_finds_any_changed_number(built: Path, tmp_path: Path) -> None:
    board = leaderboard(built)
    assert disagreements(board, recomputed(board)) == []
    assert rebuilt(board, built, (), lambda *_: None) == ([], 0)
    changed = board.model_copy(deep=True)
    row = changed.entries[0].under()
    assert row is not None
    row.rank = 7
    (found,) = disagreements(changed, recomputed(changed))
    assert "rank" in found and "7" in found
    changed = board.model_copy(deep=True)
    changed.entries[0].scores[0].values[0] += 0.1
    assert disagreements(changed, recomputed(changed))
    (tmp_path / "board.json").write_text(board.text().replace('"rank":1', '"rank":2', 1))
    with pytest.raises(UserError, match="the document was changed"):
        load_leaderboard(tmp_path / "board.json")


def test_verifying_beside_runs_finds_missing_and_other_ones(built: Path, runs: Path) -> None:
    board = leaderboard(built)
    shutil.rmtree(one_run(runs))
    (found,), _ = rebuilt(board, runs, (), lambda *_: None)
    assert "is not among the verified runs" in found
    accuracy_group(runs, "another", BETTER, [1, 2])
    accuracy_group(runs, "vanilla", LANGUAGES, [4], task="xnli")
    assert rebuilt(leaderboard(built / "xnli"), runs, (), lambda *_: None) == ([], 1), "a seed that was not chosen"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "leaderboard", "schema_version": 9}'])
def test_what_is_no_leaderboard(tmp_path: Path, text: str) -> None:
    (tmp_path / "board.json").write_text(text)
    with pytest.raises(UserError, match=r"board\.json"):
        load_leaderboard(tmp_path / "board.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda board: board.entries.append(board.entries[0]),
        lambda board: board.entries[0].scores[0].values.pop(),
        lambda board: board.boards[0].entries.append("f" * 16),
        lambda board: board.entries[0].runs.clear(),
    ],
)
def test_a_signed_board_that_contradicts_itself(built: Path, tmp_path: Path, change: Callable[[Any], None]) -> None:
    board = leaderboard(built).model_copy(deep=True)
    change(board)
    (tmp_path / "board.json").write_text(board.text())
    with pytest.raises(UserError, match="contradicts itself"):
        load_leaderboard(tmp_path / "board.json")


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        leaderboard(tmp_path)
    write_runs(tmp_path, make_run({"en": 0.5}, status="failed"))
    with pytest.raises(UserError, match="no run is left"):
        leaderboard(tmp_path)


def test_filter_and_options(built: Path) -> None:
    board = build_leaderboard([built], BoardOptions(where="task=pos,method=rs_aug"))[0]
    assert [one.name for one in board.entries] == ["rs_aug"]
