"""Inputs that were read wrong once, where they lie beside the project: each with the outcome that its README names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xrobust.contracts import Task
from xrobust.data.local import LocalSource
from xrobust.data.splits import DataRows, load_split
from xrobust.data.tsv import records
from xrobust.errors import UserError
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.xnli import Xnli

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


@pytest.fixture(scope="module")
def cases() -> Path:
    """The folder of the inputs; the tests are skipped, visibly, where it is not there."""
    if not CASES.is_dir():
        pytest.skip("the inputs are not here (../shared/cases)")
    return CASES


def scored(folder: Path, task: Task, language: str) -> tuple[list[Any], DataRows]:
    examples, rows = load_split(task, LocalSource(folder), "test", language, None)
    return list(examples), rows


def test_iob1_is_converted_and_every_entity_counts(cases: Path) -> None:
    examples, rows = scored(cases / "iob1", WikiAnn(), "en")
    assert (len(examples), rows.entities, rows.stray_tags) == (12, 24, 0)
    assert (rows.tag_scheme, rows.converted_tags) == ("IOB1", 20)
    assert examples[2]["tags"] == ["O", "B-LOC", "B-LOC", "O", "O", "O"]


def test_prefixes_are_cut_whatever_code_they_have(cases: Path) -> None:
    german, rows = scored(cases / "prefix", WikiAnn(), "de")
    assert not any(token.startswith("de:") for row in german for token in row["tokens"])
    assert rows.changed == {"prefix 'de:' cut from tokens (1 of 150 tokens have none)": 30}
    norwegian, rows = scored(cases / "prefix", WikiAnn(), "nb")
    assert norwegian[0]["tokens"][0] == "Maria" and rows.changed == {"prefix 'no:' cut from tokens": 4}
    english, rows = scored(cases / "prefix", WikiAnn(), "en")
    assert "en:Paris" in english[1]["tokens"] and not rows.changed


def test_document_starts_are_no_sentences(cases: Path) -> None:
    examples, rows = scored(cases / "docstart", WikiAnn(), "en")
    assert len(examples) == 5 and rows.left_out == {"-DOCSTART- lines": 2}


def test_sentences_without_text_are_left_out(cases: Path) -> None:
    examples, rows = scored(cases / "underscore", Pos(), "en")
    assert [example["id"] for example in examples] == ["en_two:a-1", "en_two:a-2"]
    assert "_" in examples[1]["tokens"] and sum(rows.left_out.values()) == 2


def test_the_files_own_name_tells_the_language(cases: Path, tmp_path: Path) -> None:
    source = LocalSource(cases / "conllu")
    assert source.languages(Pos(), "test") == ("en", "fr") and source.languages(Pos(), "train") == ("en",)
    english, _ = scored(cases / "conllu", Pos(), "en")
    assert english[0]["tokens"][0] == "The"
    french, rows = scored(cases / "conllu", Pos(), "fr")
    assert len(french) == sum(rows.treebanks.values()) and len(rows.treebanks) == 2
    (tmp_path / "pos").mkdir()
    file = cases / "conllu" / "pos" / "UD_French-PUD" / "test-en.conllu"
    (tmp_path / "pos" / "test.conllu").write_bytes(file.read_bytes())
    with pytest.raises(UserError, match="cannot tell its language"):
        LocalSource(tmp_path).languages(Pos(), "test")


def test_a_test_set_without_labels_is_said_to_be_one(cases: Path) -> None:
    with pytest.raises(UserError, match=r"like the test sets that XTREME gives out.*facebook/xnli"):
        scored(cases / "unlabelled", Xnli(), "en")


def test_compressed_files_are_read(cases: Path) -> None:
    examples, _ = scored(cases / "compressed", Pos(), "en")
    assert examples[0]["tokens"] == ["The", "cat", "sleeps", "."]


@pytest.mark.parametrize(("name", "task", "examples"), [("tokens.txt", WikiAnn(), 3), ("pairs.tsv", PawsX(), 3)])
def test_every_line_of_a_users_text_is_accounted_for(cases: Path, name: str, task: Task, examples: int) -> None:
    file = cases / "predict" / name
    found = list(records(file, task, text_only=True))
    assert sum(record.row is not None for record in found) == examples
    assert sum(len(record.lines) for record in found) == len(file.read_text().splitlines())
