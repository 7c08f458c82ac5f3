"""Transfer pairs: which runs they are, what is missing, and the report of both settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from xrobust.cli.main import main
from xrobust.errors import UserError
from xrobust.experiments.transfer_pairs import NAMED, plan_transfer
from xrobust.plan import make_plan


def test_the_thirteen_pairs() -> None:
    """Those of the paper's tables."""
    pairs = "fr-br ar-fa ar-hi en-sco en-cy es-ca cs-sk id-ms fr-oc nl-af it-scn es-an es-ast".split()
    assert {"-".join(pair) for pair in NAMED["manafi13"]} == set(pairs) and len(NAMED["manafi13"]) == 13


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    """German has a training set too; its entities are known from there, from English training only in part."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_data, folder)
    german = (folder / "wikiann" / "test-de.tsv").read_text().split("\n\n")
    german = [s.replace("Anna", "Jutta").replace("Berlin", "Bonn") if i % 2 else s for i, s in enumerate(german)]
    (folder / "wikiann" / "test-de.tsv").write_text("\n\n".join(german))
    (folder / "wikiann" / "train-de.tsv").write_text("\n\n".join(s.strip() for s in german[::2]) + "\n")
    return folder


def test_a_report(
    data: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["run", "--task", "wikiann", "--model", str(tiny_model), "--data-dir", str(data)]
    arguments += ["--transfer-pairs", "en:de,en:fr,xx:de", "--seeds", "1,2", "--set", "training.epochs=1"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--perturb", "entity_swap"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "en:fr native cannot be run: no train set in fr" in out
    assert "xx:de cross-lingual cannot be run: no train set in xx, no dev set in xx" in out
    report = json.loads((tmp_path / "runs" / "transfer-pairs-wikiann-vanilla-en-de+en-fr+xx-de.json").read_text())
    lines = {(line["pair"], line["setting"]): line for line in report["lines"]}
    assert len(lines) == 6 and report["seeds"] == [1, 2]

    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "runs").rglob("result.json"))]
    assert sorted((r["spec"]["train"]["source"], r["spec"]["train"]["seed"]) for r in results) == [
        ("de", 1),
        ("de", 2),
        ("en", 1),
        ("en", 2),
    ]
    for setting, source in (("native", "de"), ("cross-lingual", "en")):
        line = lines["en:de", setting]
        rows = [
            row
            for result in results
            if result["spec"]["train"]["source"] == source
            for row in result["scores"]
            if (row["language"], row["metric"]) == ("de", "span_f1")
        ]
        clean = [row["value"] for row in rows if row["condition"] == "clean"]
        swapped = [row["value_all"] for row in rows if row["perturbation"] == "entity_swap"]
        assert len(clean) == len(swapped) == 2 == len(line["runs"])
        assert line["clean"] == pytest.approx(sum(clean) / 2)
        assert line["perturbed"]["entity_swap"] == pytest.approx(sum(swapped) / 2)
        assert line["drop"]["entity_swap"] == pytest.approx((sum(clean) - sum(swapped)) / 2)
        assert 0 < line["overlap"]["chunks"] < 1
    assert lines["en:de", "native"]["overlap"] != lines["en:de", "cross-lingual"]["overlap"]
    assert lines["en:fr", "native"]["missing"] == "no train set in fr" and lines["en:fr", "native"]["clean"] is None


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("manafi14", {}, "did you mean 'manafi13'"),
        ("en:en", {}, "write source:target"),
        ("manafi13", {}, "none of its pairs can be run"),
        ("en:de", {"source": "en"}, "leave out --source"),
        ("en:de", {"languages": ("de",)}, "leave out --languages"),
    ],
)
def test_what_is_wrong(tiny_data: Path, name: str, more: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_transfer(name, {"task": "wikiann", "data_dir": tiny_data, **more}, (0,))
    assert message in str(caught.value)


def test_the_paper_s_perturbations_are_the_default(data: Path) -> None:
    plan = plan_transfer("en:de", {"task": "wikiann", "data_dir": data}, (3,))
    assert {request.perturb for request in plan.requests} == {("entity_swap", "context_swap", "entity_context_swap")}
    assert [(r.source, r.languages, r.seed) for r in plan.requests] == [("de", ("de",), 3), ("en", ("de",), 3)]


def test_a_task_of_no_entities_is_scored_under_none_of_them(tiny_data: Path, tiny_model: Path) -> None:
    plan = plan_transfer("en:de", {"task": "pos", "data_dir": tiny_data, "model": str(tiny_model)}, (0,))
    assert [request.perturb for request in plan.requests] == [()]
    assert make_plan(plan.requests[0]).spec.evaluation.perturbations == ()
