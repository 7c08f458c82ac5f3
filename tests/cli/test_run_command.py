"""`xrobust run`: what it prints, what it writes, what it takes, and what it does not do twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from xrobust import load_result
from xrobust.results.schema import RunResult
from xrobust.storage.hashing import file_sha256

Good = Callable[..., str]

QUICK = ("--limit", "16", "--set", "training.epochs=1")
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "result.schema.json"


@pytest.fixture
def base(tiny_model: Path, tiny_data: Path) -> list[object]:
    """A run of a fraction of a second."""
    return ["run", "--task", "pawsx", "--model", tiny_model, "--data-dir", tiny_data, *QUICK]


def documents(folder: Path) -> list[Path]:
    return sorted(folder.rglob("result.json"))


def only(folder: Path) -> dict[str, Any]:
    """The one document below a folder."""
    (path,) = documents(folder)
    return json.loads(path.read_text())


def snapshot(folder: Path) -> dict[str, tuple[int, str | None]]:
    """Every path below a folder, with the time of its last change and its content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, file_sha256(path) if path.is_file() else None)
        for path in folder.rglob("*")
    }


# ---------------------------------------------------------------------------------------------------- one whole run


def test_a_run_in_an_empty_folder(folder: Path, good: Good, tiny_model: Path, tiny_data: Path) -> None:
    out = good(
        *("run", "--task", "pos", "--model", tiny_model, "--data-dir", tiny_data),
        *("--set", "training.epochs=2", "--set", "training.learning_rate=5e-3"),
    )
    document = only(folder)
    run = folder / "runs" / "pos" / "vanilla" / document["run_id"]
    assert run.is_dir()
    assert sorted(path.name for path in run.iterdir()) == ["model", "predictions", "result.json", "run.log"]
    assert [path.name for path in folder.iterdir()] == ["runs"]

    lines = [" ".join(line.split()) for line in out.splitlines()]
    for code in ("de", "en", "fr"):
        row = next(r for r in document["scores"] if r["language"] == code and r["metric"] == "accuracy")
        others = [r["value"] for r in document["scores"] if r["language"] == code and r["metric"] != "accuracy"]
        name = "en (source)" if code == "en" else code
        interval = f"{100 * row['ci_low']:.2f} - {100 * row['ci_high']:.2f}"
        assert f"{name} {100 * row['value']:.2f} {interval} {' '.join(f'{100 * v:.2f}' for v in others)} 24" in lines
    summary = document["summary"]
    assert (
        f"average {100 * summary['average']:.2f} over 3 languages, targets {100 * summary['average_targets']:.2f}, "
        f"transfer gap {100 * summary['transfer_gap']:.2f}"
    ) in lines
    assert lines[-1] == str(run.relative_to(folder) / "result.json"), "the last line is where the document is"


def test_the_document_fits_the_files_beside_it(finished_run: Path) -> None:
    document = json.loads((finished_run / "result.json").read_text())
    assert document["status"] == "complete"
    assert document["training"]["budget"]["steps"] == document["training"]["total_steps"] == 4
    written = {a["path"]: a for a in document["artifacts"]}
    assert sorted(a["of"]["language"] for a in written.values() if a["role"] == "predictions") == ["de", "en", "fr"]
    assert {f"model/{path.name}" for path in (finished_run / "model").iterdir()} <= written.keys()
    for path, artifact in written.items():
        assert file_sha256(finished_run / path) == artifact["sha256"]
    weights = {path: a["sha256"] for path, a in written.items() if a["role"] == "weights"}
    assert document["training"]["weights"] == {path.removeprefix("model/"): sha for path, sha in weights.items()}
    assert document["sha256"] == load_result(finished_run).computed_sha256()
    used = {(row["split"], row["language"]): row for row in document["data"]["used"]}
    for artifact in (a for a in document["artifacts"] if a["role"] == "predictions"):
        path = finished_run / artifact["path"]
        assert file_sha256(path) == artifact["sha256"]
        table = pq.read_table(path).to_pylist()
        language = artifact["of"]["language"]
        scores = [row for row in document["scores"] if row["language"] == language]
        assert [row["metric"] for row in scores] == ["accuracy", "xtreme_f1", "ece"]
        assert {row["n"] for row in scores} == {len(table)} == {used["test", language]["rows"]}
        assert {row["rows_sha256"] for row in scores} == {used["test", language]["sha256"]}
        right = [a == b for row in table for a, b in zip(row["label"], row["prediction"], strict=True)]
        assert scores[0]["value"] == pytest.approx(sum(right) / len(right))
    assert (finished_run / "model" / "model.safetensors").exists()
    assert document["run_id"] in (finished_run / "run.log").read_text()


def test_scores_are_fractions_and_the_summary_is_theirs(finished_run: Path) -> None:
    result = RunResult.model_validate_json((finished_run / "result.json").read_text(), strict=True)
    assert result.scores
    for row in result.scores:
        assert 0 <= row.ci_low <= row.value <= row.ci_high <= 1
    values = {row.language: row.value for row in result.scores if row.metric == "accuracy"}
    assert result.summary is not None
    assert result.summary.average == pytest.approx(sum(values.values()) / 3)
    assert result.summary.average_targets == pytest.approx((values["de"] + values["fr"]) / 2)
    assert result.summary.transfer_gap == pytest.approx(values["en"] - (values["de"] + values["fr"]) / 2)


def test_the_schema_is_the_golden_one(good: Good) -> None:
    assert good("schema") == GOLDEN.read_text(), (
        "the result document has another schema. If that is meant: raise SCHEMA_VERSION where old documents no longer "
        "fit, and write the file anew: xrobust schema > tests/golden/result.schema.json"
    )


def test_the_schema_says_what_the_document_has(finished_run: Path) -> None:
    """Every key of a finished document, at every depth, is in the published schema, and every required one is there."""
    schema = json.loads(GOLDEN.read_text())

    def check(value: Any, rule: dict[str, Any], where: str) -> None:
        if "$ref" in rule:
            rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
        for alternative in rule.get("anyOf", []):
            if "$ref" in alternative and isinstance(value, dict):
                check(value, alternative, where)
        if isinstance(value, dict) and "properties" in rule:
            assert value.keys() <= rule["properties"].keys(), where
            assert set(rule.get("required", [])) <= value.keys(), where
            for key, inner in value.items():
                check(inner, rule["properties"][key], f"{where}.{key}")
        elif isinstance(value, dict) and isinstance(rule.get("additionalProperties"), dict):
            for key, inner in value.items():
                check(inner, rule["additionalProperties"], f"{where}.{key}")
        elif isinstance(value, list) and "items" in rule:
            for i, inner in enumerate(value):
                check(inner, rule["items"], f"{where}[{i}]")

    document = json.loads((finished_run / "result.json").read_text())
    check(document, schema, "document")
    assert next(iter(document)) == "schema_version"


# ---------------------------------------------------------------------------------------------------------- dry run


def test_a_dry_run_describes_the_run_that_follows(folder: Path, good: Good, base: list[object]) -> None:
    described = yaml.safe_load(good(*base, "--dry-run"))
    assert not list(folder.iterdir()), "nothing is written"
    good(*base)
    document = only(folder)
    assert described["run_id"] == document["run_id"]
    assert (folder / described["folder"] / "result.json").exists()
    assert described["steps"] == document["training"]["budget"]["steps"] == 1
    assert described["spec"] == document["spec"]
    assert list(described) == ["run_id", "folder", "model_path", "data_dir", "steps", "spec"]
    for key in ("model_path", "data_dir"):
        assert described[key] == document["local"][key]


def test_a_dry_run_counts_the_steps_of_augmented_data(good: Good, base: list[object]) -> None:
    described = yaml.safe_load(good(*base, "--method", "rs_aug", "--set", "training.batch_size=8", "--dry-run"))
    assert described["steps"] == 16 * 10 / 8, "PAWS-X has 10 copies"


# -------------------------------------------------------------------------------------------------- flags and files


def test_two_seeds_are_two_runs_of_one_group(folder: Path, good: Good, base: list[object]) -> None:
    good(*base, "--languages", "de", "--seeds", "1,2")
    first, second = (json.loads(path.read_text()) for path in documents(folder))
    assert {first["spec"]["train"]["seed"], second["spec"]["train"]["seed"]} == {1, 2}
    assert first["group_id"] == second["group_id"]
    assert first["run_id"] != second["run_id"]
    assert first["status"] == second["status"] == "complete"


def test_the_file_then_set_then_flags(
    folder: Path, good: Good, tmp_path: Path, tiny_model: Path, tiny_data: Path
) -> None:
    settings = tmp_path / "settings"
    shutil.copytree(tiny_data, settings / "data")
    shutil.copytree(tiny_model, settings / "encoder")
    (settings / "run.yaml").write_text(
        "task: pos\n"
        "method: {name: rs_random, epsilon: 0.2, norm: linf}\n"
        "model: encoder\n"
        "data_dir: data\n"
        "output: out\n"
        "languages: [de, fr]\n"
        "limit: 8\n"
        "seed: 3\n"
        "training: {epochs: 3, learning_rate: 1e-3, batch_size: 4}\n"
    )
    out = good(
        *("run", "--config", settings / "run.yaml", "--limit", "12", "--languages", "fr"),
        *("--set", "training.epochs=2", "--set", "method.norm=l2", "--dry-run"),
    )
    described = yaml.safe_load(out)
    train = described["spec"]["train"]
    assert train["limit"] == 12, "the flag wins over the file"
    assert described["spec"]["evaluation"]["languages"] == ["fr"]
    assert train["training"]["epochs"] == 2, "--set wins over the file"
    assert train["training"]["learning_rate"] == 1e-3
    assert train["training"]["batch_size"] == 4, "the file wins over the recipe"
    assert train["seed"] == 3
    (method,) = train["method"]
    assert method["name"] == "rs_random"
    assert (method["params"]["epsilon"], method["params"]["norm"]) == (0.2, "l2")
    assert Path(described["folder"]).parents[2] == settings / "out", "a path in a file is relative to the file"
    assert described["steps"] == 2 * 3

    assert (
        yaml.safe_load(good("run", "--config", settings / "run.yaml", "--seeds", "7", "--dry-run"))["spec"]["train"][
            "seed"
        ]
        == 7
    )


def test_flags_win_over_set(good: Good, base: list[object]) -> None:
    described = yaml.safe_load(good(*base, "--set", "limit=3", "--set", "seed=4", "--limit", "5", "--dry-run"))
    assert described["spec"]["train"]["limit"] == 5
    assert described["spec"]["train"]["seed"] == 4


@pytest.mark.parametrize(
    ("file", "arguments", "message"),
    [
        ("training: 3\n", ["--set", "training.epochs=2"], "'training'"),
        ("method_params: 3\n", ["--set", "method.epsilon=2"], "'method_params'"),
        ("method: {name: rs_random, epsilon: 0.2}\nmethod_params: 3\n", [], "'method_params'"),
        ("method: {epsilon: 0.2}\n", [], "no 'name'"),
        ("keep_checkpoints: [none]\n", [], "'keep_checkpoints'"),
        ("method: rs_random\nmethod_params: {3: 4}\n", [], "'method_params.3"),
        ("method: rs_random\nmethod_params: {rs_random: {3: 4}}\n", [], "'method.rs_random.3'"),
        ("training: {3: 4}\n", [], "'training.3"),
        ("languages: 3\n", [], "'languages'"),
        ("languages: []\n", [], "name at least one language"),
        ("", ["--languages", ""], "'' where a list belongs"),
        ("", ["--seeds", " , "], "where a list belongs"),
        ("seed: one\n", [], "'seed'"),
        ("", ["--set", "method.epsilon=1", "--set", "method.epsilon.x=2"], "method.epsilon"),
        ("", ["--set", "training.learning_rate=inf"], "'training.learning_rate'"),
        ("", ["--set", "training.learning_rate=nan"], "'training.learning_rate'"),
        ("", ["--method", "rs_random", "--set", "method.epsilon=inf"], "'method.rs_random.epsilon'"),
    ],
)
def test_settings_of_the_wrong_form_are_one_line(
    folder: Path,
    refused: Callable[..., str],
    base: list[object],
    tmp_path: Path,
    file: str,
    arguments: list[str],
    message: str,
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("source: en\n" + file)
    assert message in refused(*base, "--config", config, *arguments)
    assert not list(folder.iterdir())


def test_languages_in_one_string_are_a_list(good: Good, base: list[object], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("languages: en, de\n")
    for given in (["--config", tmp_path / "run.yaml"], ["--set", "languages=en,de"]):
        described = yaml.safe_load(good(*base, *given, "--dry-run"))
        assert described["spec"]["evaluation"]["languages"] == ["en", "de"]


def test_an_empty_section_of_a_file_is_none(good: Good, base: list[object], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("training:\n")
    plain = yaml.safe_load(good(*base, "--dry-run"))
    assert yaml.safe_load(good(*base, "--config", tmp_path / "run.yaml", "--dry-run")) == plain


def test_a_number_in_scientific_notation_is_a_number(good: Good, base: list[object], tmp_path: Path) -> None:
    """YAML 1.1 reads 5e-4 as a string."""
    flag = yaml.safe_load(good(*base, "--set", "training.learning_rate=5e-4", "--dry-run"))
    config = tmp_path / "run.yaml"
    config.write_text("training: {learning_rate: 5e-4}\n")
    file = yaml.safe_load(good(*base, "--config", config, "--dry-run"))
    plain = yaml.safe_load(good(*base, "--set", "training.learning_rate=0.0005", "--dry-run"))
    assert flag["spec"]["train"]["training"]["learning_rate"] == 0.0005
    assert flag["run_id"] == plain["run_id"]
    # The epochs of `base` are the file's too.
    assert file["run_id"] == plain["run_id"]


def test_languages_and_limit(folder: Path, good: Good, base: list[object]) -> None:
    out = good(*base, "--languages", "fr, de,fr", "--limit", "6")
    document = only(folder)
    assert document["spec"]["evaluation"]["languages"] == ["fr", "de"]
    assert list(dict.fromkeys(row["language"] for row in document["scores"])) == ["fr", "de"]
    assert {row["n"] for row in document["scores"]} == {6}
    assert [(row["split"], row["language"], row["rows"]) for row in document["data"]["used"]] == [
        ("train", "en", 6),
        ("dev", "en", 6),
        ("test", "fr", 6),
        ("test", "de", 6),
    ]
    # Nothing was scored in the source language: there is no gap to speak of.
    summary = document["summary"]
    assert summary["source"] is None and summary["transfer_gap"] is None
    main = [row["value"] for row in document["scores"] if row["metric"] == "accuracy"]
    assert summary["average"] == summary["average_targets"] == sum(main) / 2
    assert summary["languages"] == 2
    assert "transfer gap" not in out and "(source)" not in out


def test_the_source_language_alone(folder: Path, good: Good, base: list[object]) -> None:
    out = good(*base, "--languages", "en")
    summary = only(folder)["summary"]
    assert summary["source"] == summary["average"]
    assert summary["average_targets"] is None and summary["transfer_gap"] is None
    assert "targets" not in out


def test_max_steps_starts_the_data_over(folder: Path, good: Good, base: list[object]) -> None:
    settings = ("batch_size=8", "max_steps=5", "select_every=2")
    good(*base, "--languages", "de", *(part for s in settings for part in ("--set", f"training.{s}")))
    training = only(folder)["training"]
    assert (training["budget"]["steps"], training["total_steps"], training["budget"]["examples"]) == (5, 5, 5 * 8)
    assert [point["step"] for point in training["dev"]] == [2, 4, 5], "and at the end"


# ----------------------------------------------------------------------------------------------------- done already


def test_a_complete_run_is_not_done_again_unless_forced(folder: Path, good: Good, base: list[object]) -> None:
    good(*base)
    run = documents(folder)[0].parent
    before = snapshot(folder)
    out = good(*base)
    assert f"run {run.name} is already complete (--force does it again)" in out
    assert "train:" not in out and "evaluate:" not in out
    assert "average" in out, "the table is shown"
    assert "already complete" in good(*base, "--languages", "de")
    assert snapshot(folder) == before

    (run / "stray").write_text("from before")
    out = good(*base, "--force")
    assert "train: 1 steps" in out
    after = snapshot(folder)
    assert not (run / "stray").exists()
    assert all(after[name][0] > before[name][0] for name in before if name.endswith(("result.json", ".safetensors")))
    weights = str((run / "model" / "model.safetensors").relative_to(folder))
    assert after[weights][1] == before[weights][1], "the same run has the same weights"


def test_more_languages_are_scored_without_training_again(folder: Path, good: Good, base: list[object]) -> None:
    good(*base, "--languages", "de")
    run = documents(folder)[0].parent
    before, first = snapshot(run), only(folder)
    out = good(*base, "--languages", "fr,en")
    assert "train:" not in out
    assert "evaluate: 2 test sets" in out
    after, second = snapshot(run), only(folder)
    assert list(dict.fromkeys(row["language"] for row in second["scores"])) == ["de", "fr", "en"]
    assert second["scores"][0] == first["scores"][0]
    assert second["training"] == first["training"]
    assert second["spec"]["train"] == first["spec"]["train"]
    assert second["run_id"] == first["run_id"] and second["status"] == "complete"
    assert second["summary"]["languages"] == 3
    unchanged = [name for name in before if name.startswith("model/") or name == "predictions/de.parquet"]
    assert unchanged and all(after[name] == before[name] for name in unchanged)

    whole = folder / "whole"
    good(*base, "--output", whole)
    at_once = {(r["language"], r["metric"]): r["value"] for r in only(whole)["scores"]}
    assert {(r["language"], r["metric"]): r["value"] for r in second["scores"]} == at_once


def test_a_language_whose_test_rows_have_changed_is_scored_anew(
    folder: Path, good: Good, base: list[object], tiny_data: Path
) -> None:
    data = folder / "data"
    shutil.copytree(tiny_data, data)
    base = [*base, "--data-dir", data, "--languages", "fr,de,en"]
    good(*base)
    before, weights = only(folder / "runs"), snapshot(documents(folder)[0].parent / "model")
    lines = (data / "pawsx" / "test-de.tsv").read_text().splitlines()
    (data / "pawsx" / "test-de.tsv").write_text("\n".join(lines[:7]) + "\n")
    (data / "pawsx" / "test-de.ids").unlink()
    out = good(*base)
    assert "already complete" not in out and "train:" not in out and "evaluate: 1 test sets" in out
    after, run = only(folder / "runs"), documents(folder)[0].parent
    sizes = list(dict.fromkeys((row["language"], row["n"]) for row in after["scores"]))
    assert sizes == [("fr", 16), ("de", 7), ("en", 16)]
    others = [[row for row in one["scores"] if row["language"] != "de"] for one in (before, after)]
    assert others[0] == others[1]
    used = {row["language"]: (row["rows"], row["sha256"]) for row in after["data"]["used"] if row["split"] == "test"}
    assert (
        used["de"] == (7, next(row["rows_sha256"] for row in after["scores"] if row["language"] == "de"))
        and len(after["data"]["used"]) == 5
    )
    (artifact,) = (a for a in after["artifacts"] if a["of"] and a["of"]["language"] == "de")
    assert pq.read_table(run / artifact["path"]).num_rows == 7
    assert file_sha256(run / artifact["path"]) == artifact["sha256"]
    assert after["status"] == "complete" and snapshot(run / "model") == weights
    assert "already complete" in good(*base)


@pytest.mark.parametrize("keep", ["none", "best", "all"])
def test_what_is_kept(folder: Path, good: Good, refused: Callable[..., str], base: list[object], keep: str) -> None:
    steps = ("--set", "training.max_steps=6", "--set", "training.select_every=2", "--languages", "de")
    good(*base, *steps, "--keep-checkpoints", keep)
    run = documents(folder)[0].parent
    always = {"predictions", "result.json", "run.log"}
    kept = {"none": set(), "best": {"model"}, "all": {"model", "checkpoints"}}[keep]
    assert {path.name for path in run.iterdir()} == always | kept
    if keep == "all":
        names = {path.name for path in (run / "checkpoints").iterdir()}
        assert {"step-00000002", "step-00000004"} <= names
        assert any(name.startswith("best-") for name in names)
    if keep != "none":
        assert "de" in good(*base, *steps[:-1], "de,fr", "--keep-checkpoints", keep)
        return

    before = documents(folder)[0].read_bytes()
    assert "--force" in refused(*base, *steps[:-1], "de,fr", "--keep-checkpoints", keep)
    assert documents(folder)[0].read_bytes() == before, "a run that is complete stays so"
    assert "already complete" in good(*base, *steps, "--keep-checkpoints", keep)
    assert "train: 6 steps" in good(*base, *steps[:-1], "de,fr", "--keep-checkpoints", keep, "--force")
