"""`load_results`: the scores of many runs as one table, and what its users do with it."""

from __future__ import annotations

import logging
import shutil
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade_runs import make_run, score, write_runs

from xrobust import UserError, load_result, load_results
from xrobust.results.frame import COLUMNS, frame

DOCUMENTS = Path(__file__).parent / "documents_v1"
LANGUAGES = ("en", "de", "fr")


def value(method: str, seed: int, language: str, dropped: float = 0.0) -> float:
    """A made-up score, another one for each run and language."""
    return 0.5 + 0.01 * len(method) + 0.02 * seed + 0.1 * LANGUAGES.index(language) - dropped


def rows(method: str, seed: int) -> list[Any]:
    """Clean scores in two metrics, and the main one under typos, which cover all but French."""
    found = []
    for language in LANGUAGES:
        clean = value(method, seed, language)
        found += [score(language, clean), score(language, clean / 2, "xtreme_f1")]
        if language != "fr":
            drop = 0.01 * (seed + len(method))
            typos = score(language, clean - drop, perturbation="typos")
            found.append(typos.model_copy(update={"clean_value": clean, "drop": drop, "coverage": 0.5}))
    return found


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two methods with three seeds each."""
    results = [make_run(rows(method, seed), method, seed) for method in ("vanilla", "rs_aug") for seed in range(3)]
    return write_runs(tmp_path / "runs", *results)


def test_every_value_is_that_of_the_document(runs: Path) -> None:
    table = load_results(runs)
    assert len(table) == 6 * 8
    for folder, its in table.groupby("folder"):
        result = load_result(folder)
        train = result.spec.train
        for row, expected in zip(its.to_dict("records"), result.scores, strict=True):
            fields = expected.model_dump(exclude={"rows_sha256", "seconds", "pair", "worst_of"})
            assert {name: None if pd.isna(row[name]) else row[name] for name in fields} == fields
            assert (row["run_id"], row["group_id"], row["seed"]) == (result.run_id, result.group_id, train.seed)
            assert (row["task"], row["method"], row["source"]) == ("pos", train.method[0].name, "en")
            assert (row["model"], row["steps"], row["examples"], row["sample"]) == ("tiny", 1, 8, False)
            assert pd.isna(row["pair"])


def test_pairs_attacks_and_the_worst_case(tmp_path: Path) -> None:
    shutil.copy(DOCUMENTS / "attack_pairs_and_perturbations.json", tmp_path / "result.json")
    table = load_results(tmp_path)
    result = load_result(tmp_path)
    assert set(table["condition"]) == {"clean", "perturbed", "attack", "worst_case"}
    pairs = table[table["pair"].notna()]
    assert set(pairs["pair"]) == {"en:de", "de:en"} and pairs["language"].isna().all()
    assert set(table["worst_of"].dropna()) == {"casing, typos"}
    attacked = table[table["condition"] == "attack"]
    assert attacked["attack"].notna().all() and (attacked["epsilon"] > 0).all()
    assert set(attacked["epsilon"]) == {row.epsilon for row in result.scores if row.condition == "attack"}
    assert set(table["folder"]) == {str(tmp_path)}


def test_types_do_not_depend_on_what_there_is(runs: Path, tmp_path: Path) -> None:
    shutil.copy(DOCUMENTS / "attack_pairs_and_perturbations.json", tmp_path / "published.json")
    unfinished = make_run({"en": 0.5}).model_copy(update={"training": None})
    write_runs(tmp_path / "others", unfinished)
    tables = [
        frame(()),
        load_results(runs),
        load_results(tmp_path / "published.json"),
        load_results(tmp_path / "others"),
    ]
    for table in tables:
        assert list(table.columns) == list(COLUMNS)
        assert table.dtypes.to_dict() == tables[0].dtypes.to_dict()
        for name, expected in COLUMNS.items():
            assert table[name].dtype == pd.Series(dtype=expected).dtype
    assert tables[0].empty
    assert tables[3]["steps"].isna().all()
    assert pd.concat(tables).dtypes.to_dict() == tables[0].dtypes.to_dict()


def test_the_columns_are_documented() -> None:
    text = load_results.__doc__ or ""
    assert [name for name in COLUMNS if name not in text] == []


def test_which_runs(runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert set(load_results(runs, where="seed=1")["seed"]) == {1}
    monkeypatch.chdir(runs.parent)
    assert len(load_results()) == 48
    assert set(load_results("method=rs_aug,seed=2")["method"]) == {"rs_aug"}
    assert set(load_results(load_results()["group_id"][0])["seed"]) == {0, 1, 2}
    with pytest.raises(UserError, match="does not exist"):
        load_results("nowhere")
    with pytest.raises(UserError, match="seed is 0, 1, 2"):
        load_results(where="seed=9")
    write_runs(runs, make_run({"en": 0.5}, "lora", status="interrupted"))
    with caplog.at_level(logging.WARNING, "xrobust"):
        assert load_results("method=lora").empty
    assert "the run is interrupted, not complete" in caplog.text


# ------------------------------------------------------------------------------- what the documentation shows


def test_mean_by_method_and_language(runs: Path) -> None:
    table = load_results(runs)
    clean = table[(table["condition"] == "clean") & (table["metric"] == "accuracy")]
    means = clean.pivot_table(index="method", columns="language", values="value")
    for method in ("vanilla", "rs_aug"):
        for language in LANGUAGES:
            expected = statistics.fmean(value(method, seed, language) for seed in range(3))
            assert means.loc[method, language] == pytest.approx(expected)


def test_spread_over_seeds(runs: Path) -> None:
    table = load_results(runs)
    clean = table[(table["condition"] == "clean") & (table["metric"] == "accuracy")]
    seeds = clean.groupby(["method", "group_id", "seed"])["value"].mean()
    spread = seeds.groupby(["method", "group_id"]).agg(["mean", "std", "count"])
    averages = [statistics.fmean(value("vanilla", seed, language) for language in LANGUAGES) for seed in range(3)]
    mean, std, count = spread.loc["vanilla"].iloc[0]
    assert (mean, std, count) == (
        pytest.approx(statistics.fmean(averages)),
        pytest.approx(statistics.stdev(averages)),
        3,
    )


def test_drop_under_typos(runs: Path) -> None:
    table = load_results(runs)
    typos = table[(table["perturbation"] == "typos") & (table["metric"] == "accuracy")]
    drops = typos.groupby("method")[["clean_value", "value", "drop"]].mean()
    assert drops.loc["vanilla", "drop"] == pytest.approx(0.01 * (7 + 1))
    assert drops.loc["rs_aug", "drop"] == pytest.approx(0.01 * (6 + 1))
    assert (drops["clean_value"] - drops["value"]).tolist() == pytest.approx(drops["drop"].tolist())
    assert set(typos["language"]) == {"en", "de"}
