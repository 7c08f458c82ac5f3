"""Data that are not what the user means: test rows seen in training, another language's rows, one label alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, load_result, run
from xrobust.data.local import LocalSource
from xrobust.data.notes import data_warnings
from xrobust.data.repeated import RepeatedRows, find_repeated
from xrobust.data.splits import DataRows, load_split
from xrobust.evaluate_trained import evaluate
from xrobust_tasks.pawsx import PawsX


def write(folder: Path, split: str, language: str, rows: list[tuple[str, str, str]]) -> None:
    (folder / "pawsx").mkdir(parents=True, exist_ok=True)
    text = "".join("\t".join(row) + "\n" for row in rows)
    (folder / "pawsx" / f"{split}-{language}.tsv").write_text(text, encoding="utf-8")


def rows(language: str, start: int, stop: int) -> list[tuple[str, str, str]]:
    words = {"en": "cat", "de": "Katze", "fr": "chat"}
    return [(f"{words[language]} {i}", f"{words[language]} {i + 1}", str(i % 2)) for i in range(start, stop)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "train", "en", rows("en", 0, 40))
    write(tmp_path, "dev", "en", rows("en", 40, 60))
    write(tmp_path, "test", "en", rows("en", 58, 78) + rows("en", 0, 3))
    write(tmp_path, "test", "de", rows("de", 0, 20))
    write(tmp_path, "test", "fr", rows("de", 0, 15) + rows("fr", 0, 5))
    return tmp_path


def load(folder: Path, split: Any, language: str) -> tuple[DataRows, Any]:
    examples, used = load_split(PawsX(), LocalSource(folder), split, language, None)
    return used, examples


def test_test_rows_that_are_elsewhere_are_counted(folder: Path) -> None:
    seen = [load(folder, "train", "en"), load(folder, "dev", "en")]
    tests = [load(folder, "test", language) for language in ("de", "en", "fr")]
    expected = [
        RepeatedRows(language="en", rows=3, in_split="train", in_language="en"),
        RepeatedRows(language="en", rows=2, in_split="dev", in_language="en"),
        RepeatedRows(language="fr", rows=15, in_split="test", in_language="de"),
    ]
    assert find_repeated(PawsX(), seen, tests) == expected
    # The counts are cached by the rows' fingerprints: no example is asked for again.
    unread = [(used, ()) for used, _ in tests]
    assert find_repeated(PawsX(), [(used, ()) for used, _ in seen], unread) == expected
    assert find_repeated(PawsX(), seen[:1], tests[:1]) == []


def test_dev_rows_that_were_trained_on_are_counted_and_said(folder: Path) -> None:
    write(folder, "dev", "en", rows("en", 30, 50))
    train, dev, test = (load(folder, split, "en") for split in ("train", "dev", "test"))
    found = find_repeated(PawsX(), [train, dev], [test])
    assert found[0] == RepeatedRows(language="en", split="test", rows=3, in_split="train", in_language="en")
    assert found[1:] == [RepeatedRows(language="en", split="dev", rows=10, in_split="train", in_language="en")]
    assert list(data_warnings([train[0], dev[0], test[0]], found))[1:] == [
        "dev rows that are in the en train set too, word for word, so that weights are selected on seen text: "
        "en 10 of 20"
    ]
    assert len(list(data_warnings([test[0]], found))) == 1, "an evaluation does not say it again"


def test_a_test_set_without_an_entity_is_said() -> None:
    some = DataRows(split="test", language="de", rows=2, sha256="", labels={"B-PER": 1, "O": 3}, entities=1)
    none = some.model_copy(update={"language": "fr", "labels": {"O": 4}, "entities": 0})
    no_tags = some.model_copy(update={"entities": None})
    assert list(data_warnings([some, no_tags], [])) == []
    (said,) = data_warnings([some, none], [])
    assert said.startswith(
        "the fr test set has no entity: F1 of entities is 0 on it whatever a model says, and counts "
    )


def test_they_are_said_once_and_by_their_share(folder: Path) -> None:
    used = [load(folder, "train", "en")[0], *(load(folder, "test", code)[0] for code in ("de", "en", "fr"))]
    few = used[2].model_copy(update={"rows": 301})
    found = [
        RepeatedRows(language="en", rows=3, in_split="train", in_language="en"),
        RepeatedRows(language="fr", rows=1, in_split="train", in_language="en"),
        RepeatedRows(language="fr", rows=15, in_split="test", in_language="de"),
    ]
    assert list(data_warnings(used, found)) == [
        "test rows of one language are another's, word for word; is one under a wrong name? fr 15 of 20 are in de too",
        "test rows that are in the en train set too, word for word, so that their scores are not those of unseen text: "
        "en 3 of 23, fr 1 of 20",
    ]
    assert list(data_warnings([*used[:2], few, used[3]], found[:1])) == []


def test_a_run_warns_and_counts(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "learning_rate": 1e-3}
    write(folder, "train", "en", [(a, b, "1") for a, b, _ in rows("en", 0, 40)])
    spec = RunSpec(
        task="pawsx",
        model=str(tiny_model),
        data_dir=folder,
        output=tmp_path / "runs",
        languages=("de", "en"),
        training=training,
    )
    result = run(spec)
    assert "all 40 rows of the en train set have the label '1': nothing can be learnt from it" in result.warnings
    assert [row.labels for row in result.data.used if row.split == "train"] == [{"1": 40}]
    assert any("en 3 of 23" in warning for warning in result.warnings)
    evaluated = evaluate(tmp_path / "runs" / "pawsx" / "vanilla" / result.run_id, ["fr"])
    assert {(row.language, row.in_split, row.in_language) for row in evaluated.data.repeated} == {
        ("en", "train", "en"),
        ("en", "dev", "en"),
        ("fr", "test", "de"),
    }
    assert len(set(evaluated.warnings)) == len(evaluated.warnings)
    assert load_result(tmp_path / "runs" / "pawsx" / "vanilla" / result.run_id).data == evaluated.data
