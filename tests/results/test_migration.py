"""Documents of schema version 1, written by the code of that time, are read as documents of today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from xrobust import UserError, load_result
from xrobust.results.schema import SCHEMA_VERSION, RunResult
from xrobust.results.store import save_result

DOCUMENTS = sorted((Path(__file__).parent / "documents_v1").glob("*.json"))


def read(name: str) -> tuple[dict[str, Any], RunResult]:
    """A document as it lies there, and as it is read."""
    path = Path(__file__).parent / "documents_v1" / f"{name}.json"
    return json.loads(path.read_text()), load_result(path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_value_is_still_there(path: Path) -> None:
    old, new = json.loads(path.read_text()), load_result(path)
    assert new.schema_version == SCHEMA_VERSION
    for field in ("run_id", "group_id", "status", "error", "started", "updated", "sample", "supervision"):
        assert getattr(new, field) == old[field]
    same = ("metric", "value", "ci_low", "ci_high", "n", "clean_value", "drop", "value_all", "epsilon", "rows_sha256")
    assert [{k: getattr(row, k) for k in same} for row in new.scores] == [
        {k: r[k] for k in same} for r in old["scores"]
    ]
    assert [row.name for row in new.scores] == [row["language"] for row in old["scores"]]
    assert [row.key.label for row in new.scores] == [row["perturbation"] for row in old["scores"]]
    assert {row.metric_version for row in new.scores} <= {1}
    assert [(a.path, a.sha256) for a in new.artifacts] == [(a["path"], a["sha256"]) for a in old["artifacts"].values()]
    assert new.local is not None and new.local.model_path == old["environment"]["model_path"]
    assert new.environment.packages == old["environment"]["packages"]
    spec = new.spec.model_dump(mode="json")
    assert spec["train"].pop("selection") is None and spec["train"]["training"].pop("dev_looks") is None
    assert spec["train"] == old["spec"]["train"]


def test_conditions_and_pairs_get_columns_of_their_own() -> None:
    old, new = read("attack_pairs_and_perturbations")
    kinds = [(row.condition, row.language, row.pair, row.perturbation, row.attack) for row in new.scores]
    assert ("clean", "en", None, None, None) in kinds
    assert ("clean", None, ("en", "de"), None, None) in kinds
    assert ("perturbed", "de", None, "typos", None) in kinds
    assert ("attack", "de", None, None, "pgd(epsilon=0.01,steps=2)") in kinds
    assert ("worst_case", "de", None, None, None) in kinds
    assert new.spec.evaluation.pairs == (("en", "de"), ("de", "en"))
    assert [row.pair for row in new.data.pairs] == [("en", "de"), ("de", "en")]
    artifacts = {(a.of.condition, a.of.name, a.of.label) for a in new.artifacts if a.of is not None}
    assert len(artifacts) == len(old["artifacts"]) == len(new.artifacts)
    assert {("clean", "en:de", None), ("attack", "en", "pgd(epsilon=0.1,steps=2)")} <= artifacts
    assert ("perturbed", "en", "casing") in artifacts


def test_what_was_not_written_down_is_null() -> None:
    old, new = read("worst_case_and_not_covered")
    assert new.training is not None
    budget = new.training.budget
    assert (budget.steps, budget.examples) == (old["training"]["steps"], old["training"]["examples"])
    assert budget.dev_evaluations == len(old["training"]["dev"])
    assert budget.tokens is None and new.training.weights is None and new.environment.processor is None
    assert new.sha256 is None


def test_its_summary_is_that_of_its_scores() -> None:
    old, new = read("worst_case_and_not_covered")
    assert new.summary is not None
    for field in ("metric", "source", "average", "average_targets", "transfer_gap", "languages", "average_pairs"):
        assert getattr(new.summary, field) == old["summary"][field], field
    rows = [(row.perturbation or row.condition, row.languages, row.tried) for row in new.summary.robustness]
    assert rows == [(r["perturbation"], r["languages"], r["tried"]) for r in old["summary"]["robustness"]]
    averages = [(row.value, row.drop) for row in new.summary.robustness if not row.too_few]
    assert averages == [
        (r["value"], r["drop"])
        for r, row in zip(old["summary"]["robustness"], new.summary.robustness, strict=True)
        if not row.too_few
    ]
    assert {row.min_examples for row in new.summary.robustness} == {30}
    tried = {row.perturbation for row in new.data.perturbed}
    assert new.summary.robustness[-1].worst_of == tuple(sorted(tried)), "read off the perturbed rows"


def test_an_older_document_is_free_of_its_host_when_it_is_read() -> None:
    for name in ("plugin_file", "worst_case_and_not_covered"):
        old, new = read(name)
        assert "/home/anna" in json.dumps(old)
        assert "anna" not in json.dumps(new.exported())
        assert new.local is not None and "/home/anna" in new.local.model_dump_json()


def test_it_is_written_again_as_a_document_of_today(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(Path(__file__).parent / "documents_v1" / "attack_pairs_and_perturbations.json", run / "result.json")
    first = load_result(run)
    save_result(run, first)
    again = load_result(run)
    assert json.loads((run / "result.json").read_text())["schema_version"] == SCHEMA_VERSION
    assert again == first
    assert again.summary is not None and [row.condition for row in again.summary.robustness][-1] == "worst_case"


def test_a_changed_one_is_refused(tmp_path: Path) -> None:
    old, _ = read("failed")
    old["spec"]["train"]["seed"] = 5
    (tmp_path / "result.json").write_text(json.dumps(old))
    with pytest.raises(UserError, match="does not fit the spec in it"):
        load_result(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("environment"), "does not fit schema version 1"),
        (lambda d: d["scores"][0].update(language="en:de:fr"), "does not fit schema version 1"),
        (lambda d: d.update(schema_version=7), "schema version 7 where this xrobust reads 1 and 2"),
    ],
)
def test_one_that_is_no_such_document_is_refused_in_one_line(change: Any, said: str, tmp_path: Path) -> None:
    old, _ = read("attack_pairs_and_perturbations")
    change(old)
    (tmp_path / "result.json").write_text(json.dumps(old))
    with pytest.raises(UserError, match=said) as error:
        load_result(tmp_path)
    assert "\n" not in str(error.value)
