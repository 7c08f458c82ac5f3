"""`--perturb`, `--attack`, `--pairs` and `--transfer-pairs` by hand: what is printed, written, and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Good = Callable[..., str]
Refused = Callable[..., str]


@pytest.fixture
def base(folder: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every run here has in common."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return ["--model", str(tiny_model), "--data-dir", str(tiny_data), "--set", "training.max_steps=1"]


def document(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("result.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_run_and_eval(folder: Path, base: list[str], good: Good) -> None:
    out = good(
        "run", "--task", "wikiann", *base, "--perturb", "typos,casing", "--set", "perturb.rate=0.5", "-l", "en,de"
    )
    lines = out.splitlines()
    assert "and score: typos(rate=0.5), casing" in lines
    table = lines.index(next(line for line in lines if line.split()[:2] == ["targets", "examples"]))
    rows = {line.split("  ")[0]: line.split("  ")[1:] for line in lines[table + 1 : table + 4]}
    found = {row["perturbation"] or row["condition"]: row for row in document(folder)["summary"]["robustness"]}
    assert set(rows) == {"typos(rate=0.5)", "casing", "worst of casing, typos(rate=0.5)"}
    assert found["worst_case"]["worst_of"] == ["casing", "typos(rate=0.5)"]
    for label, text in rows.items():
        row = found.get(label) or found["worst_case"]
        cells = " ".join(text).split()
        assert (cells[:3], row["too_few"]) == (["0", "of", "1"], ["de"]), "the mini test sets are small"
        drops = [f"{100 * row['pooled_drop']:.2f}", "-", f"{100 * row['source_drop']:.2f}*"]
        assert cells[5:] == ["-", "-", "-", *drops]
    assert "casing: no mean, since no target language has 30 changed examples" in lines
    assert "* fewer than 30 changed examples: in no mean" in lines

    (run,) = (path.parent for path in folder.rglob("result.json"))
    out = good("eval", run, "--perturb", "diacritics,casing", "--set", "perturb.casing.to=upper", "-l", "de")
    assert "evaluate: 2 test sets" in out and "2/2  de casing(to=upper)  span_f1" in out
    labels = {row["perturbation"] for row in document(folder)["data"]["perturbed"]}
    assert labels == {"typos(rate=0.5)", "casing", "casing(to=upper)", "diacritics"}
    again = good("eval", run, "--perturb", "diacritics,casing", "--set", "perturb.casing.to=upper", "-l", "de")
    assert "nothing to do: all of this has its scores" in again


def test_a_file_of_settings(folder: Path, base: list[str], good: Good) -> None:
    (folder / "run.yaml").write_text(
        "task: pawsx\nlanguages: [en, fr]\nperturb: [typos, whitespace]\nperturb_params: {typos: {rate: 0.5}}\n"
        "pairs: en:fr\nattack: pgd\nattack_params: {epsilons: [0.01], steps: 1}\n"
    )
    good("run", "--config", "run.yaml", *base)
    found = document(folder)
    evaluation = found["spec"]["evaluation"]
    assert [p["label"] for p in evaluation["perturbations"]] == ["typos(rate=0.5)", "whitespace"]
    assert evaluation["pairs"] == [["en", "fr"]] and evaluation["attack"]["params"]["epsilons"] == [0.01]
    scored = [(row["condition"], row["language"], row["pair"], row["attack"]) for row in found["scores"]]
    assert ("clean", None, ["en", "fr"], None) in scored
    assert ("attack", "fr", None, "pgd(epsilon=0.01,steps=1)") in scored


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        ("pos", "--perturb word_order", "perturbation 'word_order' does not fit task 'pos': it is for"),
        ("pawsx", "--perturb word_order", "'word_order' does not fit task 'pawsx': its labels depend on the order"),
        ("pos", "--perturb entity_swap", "perturbation 'entity_swap' does not fit task 'pos'"),
        ("pos", "--perturb typo", "unknown perturbation 'typo': did you mean 'typos'"),
        ("pos", "--perturb ,", "',' where a list belongs"),
        ("pos", "--perturb typos --set perturb.typos.rate=two", "setting 'perturb.typos.rate' is 'two'"),
        ("pos", "--perturb typos,casing --set perturb.tow=upper", "unknown setting 'perturb.tow' of typos+casing"),
        ("pos", "--set perturb.typos.rate=0.2", "setting 'perturb.typos' without a perturbation"),
        ("pos", "--attack pgd --set attack.step=1", "unknown setting 'attack.step': did you mean 'steps'"),
        ("pos", "--pairs all", "--pairs mixes the languages of two sentences"),
        ("pawsx", "--pairs en:xx", "no test data for language 'xx'"),
        ("pawsx", "--pairs en-de", "'en-de' is no pair of languages; write en:de, or all"),
        ("wikiann", "--perturb name_swap --set perturb.gazetteer=empty.txt", "empty.txt"),
        ("wikiann", "--perturb name_swap --set perturb.gazetteer=nowhere.txt", "nowhere.txt"),
        ("wikiann", "--transfer-pairs manafi", "did you mean 'manafi13'?"),
        ("wikiann", "--transfer-pairs en:de --source en", "leave out --source"),
    ],
)
def test_what_is_refused_before_anything_is_written(
    folder: Path, base: list[str], refused: Refused, task: str, arguments: str, said: str
) -> None:
    (folder / "empty.txt").write_text("\n\n")
    assert said in refused("run", "--task", task, *base, *arguments.split())
    assert not (folder / "runs").exists()


def test_ids_that_do_not_align_are_counted(folder: Path, base: list[str], tiny_data: Path, refused: Refused) -> None:
    shutil.copytree(tiny_data, folder / "data")
    ids = folder / "data" / "pawsx" / "test-de.ids"
    ids.write_text("".join(f"x{i}\n" for i in range(24)))
    said = refused("run", "--task", "pawsx", *base, "--data-dir", "data", "--pairs", "en:de")
    assert "pair en:de: 0 of 24 ids" in said
    assert not (folder / "runs").exists()
