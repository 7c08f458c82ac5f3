"""Exports of a leaderboard, read by those who define the formats: jsonschema, huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from handmade_runs import make_run, score, write_runs
from huggingface_hub import ModelCard, parse_eval_result_entries

from xrobust.errors import UserError
from xrobust.report.every_eval_ever import evaluation_record, every_eval_ever_files
from xrobust.report.export_facts import chosen, file_name
from xrobust.report.model_card import model_card_files
from xrobust.results.board.document import Entry, Leaderboard
from xrobust.results.leaderboard import leaderboard
from xrobust.results.schema import RunResult
from xrobust.results.sections import DataSection, ModelSection

SCHEMAS = Path(__file__).resolve().parents[2] / "xrobust/report/schemas"
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
REVISION = "f0a3be6dc5564c0cc4150bb660144800a1f539d4"
DE = [0.5, 0.56, 0.62]
TYPOS = "typos(rate=0.2)"


def of_the_hub(seed: int) -> RunResult:
    """A run of a hub model on hub data."""
    under = score("de", DE[seed] - 0.1, perturbation=TYPOS).model_copy(update={"n": 50})
    under = under.model_copy(update={"clean_value": DE[seed], "drop": DE[seed] - under.value})
    rows = [score("en", 0.9), score("de", DE[seed]), under]
    run = make_run(rows, "rs_aug", seed)
    run.model = ModelSection(id="FacebookAI/xlm-roberta-base", revision="e" * 40)
    run.data = DataSection(id="universal/pos", revision=REVISION)
    return run


def board_of(folder: Path, *runs: RunResult) -> Leaderboard:
    """The leaderboard of runs, with the clock's part of their documents made up."""
    board = leaderboard(write_runs(folder, *runs), verify="documents")
    for run in (run for entry in board.entries for run in entry.runs):
        run.updated, run.sha256 = f"2026-01-0{run.seed + 1}T00:00:00+00:00", "0" * 64
    board.sha256 = board.computed_sha256()
    return board


@pytest.fixture
def board(tmp_path: Path) -> Leaderboard:
    """Three seeds on the hub, one seed of a folder."""
    return board_of(tmp_path / "runs", *map(of_the_hub, range(3)), make_run({"en": 0.8, "de": 0.4}))


def entry_of(board: Leaderboard, name: str) -> Entry:
    return next(entry for entry in board.entries if entry.name == name)


def results(record: dict[str, Any]) -> dict[str, Any]:
    return {one["evaluation_name"]: one for one in record["evaluation_results"]}


def test_records_fit_the_published_schema(board: Leaderboard) -> None:
    published = json.loads((SCHEMAS / "every_eval_ever.schema.json").read_text())
    files = every_eval_ever_files(board, board.entries)
    assert len(files) == 2
    for path, text in files.items():
        jsonschema.validate(json.loads(text), published)
        assert re.fullmatch(rf"data/xrobust-pos/[^/]+/[^/]+/{UUID4}\.json", path.as_posix())
    assert {path.parts[2:4] for path in files} == {("FacebookAI", "xlm-roberta-base"), ("unknown", "tiny")}


def test_the_schema_is_the_one_that_its_readme_names() -> None:
    digest = hashlib.sha256((SCHEMAS / "every_eval_ever.schema.json").read_bytes()).hexdigest()
    assert f"`{digest}`" in (SCHEMAS / "README.md").read_text()


def test_a_record_has_the_means_and_intervals(board: Leaderboard) -> None:
    entry = entry_of(board, "rs_aug")
    record = evaluation_record(board, entry, "us")
    found = results(record)
    assert set(found) == {
        "pos.clean.de",
        "pos.clean.en",
        f"pos.{TYPOS}.de",
        "pos.clean.average over languages",
        f"pos.{TYPOS}.average over languages",
    }
    german = found["pos.clean.de"]["score_details"]
    assert german["score"] == pytest.approx(np.mean(DE))
    # The handmade scores have intervals of no width: all variance is that between seeds.
    assert german["uncertainty"]["standard_error"]["value"] == pytest.approx(np.std(DE, ddof=1) / np.sqrt(3))
    (of_document,) = (row for row in entry.scores if row.language == "de" and row.condition == "clean")
    assert german["uncertainty"]["confidence_interval"]["lower"] == of_document.ci_low
    assert json.loads(german["details"]["scores_by_seed"]) == DE
    average = found["pos.clean.average over languages"]["score_details"]
    assert average["score"] == pytest.approx(np.mean([*DE, 0.9, 0.9, 0.9]))
    assert average["uncertainty"]["num_samples"] == 80
    drop = found[f"pos.{TYPOS}.de"]["score_details"]["details"]["drop_from_clean_text"]
    assert float(drop) == pytest.approx(0.1)
    assert found["pos.clean.de"]["source_data"]["hf_repo"] == "universal/pos"
    assert record["source_metadata"]["source_organization_name"] == "us"
    assert record["retrieved_timestamp"] == "1767398400"  # of the newest run
    assert record["model_info"]["developer"] == "FacebookAI"


def test_one_seed_has_no_interval_and_a_folder_is_no_data_set_of_the_hub(board: Leaderboard) -> None:
    found = results(evaluation_record(board, entry_of(board, "vanilla")))["pos.clean.de"]
    assert set(found["score_details"]["uncertainty"]) == {"num_samples"}
    assert found["source_data"]["source_type"] == "other"
    assert found["source_data"]["additional_details"]["test_rows"] == "de-rows"


def test_equal_runs_give_equal_files(tmp_path: Path, board: Leaderboard) -> None:
    other = board_of(tmp_path / "b", make_run({"en": 0.8, "de": 0.4}), *map(of_the_hub, (2, 0, 1)))
    assert every_eval_ever_files(other, other.entries) == every_eval_ever_files(board, board.entries)
    assert model_card_files(other.entries) == model_card_files(board.entries)


def test_cards_come_back_from_the_hubs_own_parser(tmp_path: Path, board: Leaderboard) -> None:
    entry = entry_of(board, "rs_aug")
    files = model_card_files([entry])
    (folder,) = {path.parts[0] for path in files}
    card = ModelCard(files[Path(folder, "README.md")])
    assert card.data.base_model == "FacebookAI/xlm-roberta-base"
    assert card.data.language == ["de", "en"]
    assert {
        (one.task_type, one.dataset_type, one.dataset_config, one.metric_type, one.metric_name, one.metric_value)
        for one in card.data.eval_results
    } == {
        ("token-classification", "universal/pos", "de", "accuracy", "accuracy", 0.56),
        ("token-classification", "universal/pos", "en", "accuracy", "accuracy", 0.9),
        ("token-classification", "universal/pos", "de", "accuracy", f"accuracy ({TYPOS})", 0.46),
    }
    assert all(one.verified is None and one.dataset_revision == REVISION for one in card.data.eval_results)
    clean = parse_eval_result_entries(yaml.safe_load(files[Path(folder, ".eval_results/pos.yaml")]))
    assert [(one.dataset_id, one.task_id, one.value) for one in clean] == [
        ("universal/pos", "de", 0.56),
        ("universal/pos", "en", 0.9),
    ]
    (typos,) = parse_eval_result_entries(yaml.safe_load(files[Path(folder, f".eval_results/pos_{TYPOS}.yaml")]))
    assert typos.value == 0.46 and TYPOS in str(typos.notes)


def test_local_data_have_a_card_alone(board: Leaderboard) -> None:
    files = model_card_files([entry_of(board, "vanilla")])
    (text,) = files.values()
    assert {one.dataset_type for one in ModelCard(text).data.eval_results} == {"pos"}


def test_text_of_documents_stays_text(board: Leaderboard) -> None:
    entry = entry_of(board, "rs_aug")
    entry.model, entry.name, entry.task = "../../evil\n---\nmodel: x", "no: {a}\n---\n- !!python/x", "../up"
    for files in (every_eval_ever_files(board, [entry]), model_card_files([entry])):
        assert all(".." not in path.parts and not path.is_absolute() for path in files)
        assert all(len(path.parts) <= 5 for path in files)
    readme = next(text for path, text in files.items() if path.name == "README.md")
    assert ModelCard(readme).data.model_name == f"evil\n---\nmodel: x fine-tuned on ../up with {entry.name}"
    assert {one.dataset_config for one in ModelCard(readme).data.eval_results} == {"de", "en"}


@pytest.mark.parametrize("text", ["", ".", "..", "data", "CON", "nul.txt", ".git", "a/b", "a:b", "x" * 300, "語" * 300])
def test_names_that_file_systems_refuse_are_changed(text: str) -> None:
    name = file_name(text)
    assert name != text and len(name.encode()) < 250
    assert re.fullmatch(r"[^./\\:][^/\\:]*[^/\\:.]", name)
    assert name.partition(".")[0].upper() not in ("CON", "NUL", "DATA")
    assert file_name("a/b") != file_name("a:b") and file_name("xlm-roberta-base") == "xlm-roberta-base"


def test_a_score_out_of_range_is_refused(board: Leaderboard) -> None:
    entry = entry_of(board, "vanilla")
    entry.scores[0].mean = float("nan")
    for export in (lambda: every_eval_ever_files(board, [entry]), lambda: model_card_files([entry])):
        with pytest.raises(UserError, match="nan is not between 0 and 1"):
            export()


def test_without_jsonschema_the_extra_is_named(board: Leaderboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(UserError, match=r'pip install "xrobust\[export\]"'):
        every_eval_ever_files(board, board.entries)


def test_entries_are_chosen_by_id(board: Leaderboard) -> None:
    first = board.entries[0]
    assert chosen(board, [first.id, first.id]) == [first]
    assert chosen(board, []) == board.entries
    with pytest.raises(UserError, match=f"did you mean '{first.id}'"):
        chosen(board, [first.id[:-1]])
