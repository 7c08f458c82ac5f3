"""`evaluate` with another folder of data: the document says of each test set where its rows are from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xrobust import EvaluationRequest, RunSpec, evaluate, load_result, run
from xrobust.results.board.record import record_of
from xrobust.results.schema import RunResult


@pytest.fixture
def elsewhere(tmp_path: Path, tiny_data: Path) -> Path:
    """The tiny data under another name, with fewer German rows."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(tiny_data, folder)
    (folder / "about.yaml").write_text("id: other-data\nrevision: '7'\nsample: true\n")
    for task in ("pos", "xnli"):
        german = folder / task / "test-de.tsv"
        end = "\n\n" if task == "pos" else "\n"
        german.write_text(end.join(german.read_text().split(end)[1:]))
    return folder


def origins(result: RunResult) -> dict[str, str | None]:
    rows = [row for row in result.data.used if row.split == "test"]
    return {row.language: None if row.origin is None else row.origin.id for row in rows}


def test_rows_of_another_folder_are_called_that(finished_run: Path, tmp_path: Path, elsewhere: Path) -> None:
    folder = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = load_result(folder)
    assert (before.data.id, before.sample, set(origins(before).values())) == ("local", False, {None})
    result = evaluate(folder, ["de", "fr"], data_dir=elsewhere)
    assert origins(result) == {"de": "other-data", "en": None, "fr": None}, "French has the very rows that it had"
    assert result.data.id == "local" and result.sample
    assert result.warnings[-1] == "the test rows of de are from other-data (7), and the model was trained on local"
    record = record_of(result)
    assert (record.data, record.data_revision) == ("other-data and local", None)
    again = evaluate(folder, ["de"])
    assert set(origins(again).values()) == {None}, "scored on its own data again"


def test_pairs_of_another_folder(tmp_path: Path, tiny_model: Path, tiny_data: Path, elsewhere: Path) -> None:
    spec = RunSpec(
        task="xnli",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("en",),
        training={"max_steps": 1},
    )
    folder = tmp_path / "xnli" / "vanilla" / run(spec).run_id
    shutil.copy(elsewhere / "xnli" / "test-de.tsv", elsewhere / "xnli" / "test-fr.tsv")
    result = evaluate(folder, request=EvaluationRequest(languages=("en",), pairs=("de:fr",)), data_dir=elsewhere)
    (pair,) = result.data.pairs
    assert pair.origin is not None and (pair.origin.id, pair.origin.sample) == ("other-data", True)
    assert result.sample
    assert origins(result) == {"en": None}
