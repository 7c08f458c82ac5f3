"""`eval`, `predict`, `runs`, `--version` and `-h`: what they print and write."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from handmade_runs import signed

from xrobust import RunSpec, load_result, run
from xrobust.cli.main import app
from xrobust.cli.runs import age
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.evaluation.scorer import Scorer
from xrobust.models.trained import load_run_model
from xrobust.results.store import load_predictions, save_result

Good = Callable[..., str]
Refused = Callable[..., str]
Table = list[list[str]]


@pytest.fixture(scope="module")
def trained_on_pairs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Path:
    """A trained run of a pair task, scored in German alone; its labels are not all the same."""
    output = tmp_path_factory.mktemp("pairs")
    training = {"epochs": 20, "learning_rate": 1e-2, "batch_size": 8}
    spec = RunSpec(
        task="pawsx",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=output,
        languages=("de",),
        training=training,
    )
    return output / "pawsx" / "vanilla" / run(spec).run_id


@pytest.fixture
def pair_run(trained_on_pairs: Path, folder: Path) -> Path:
    """A copy of it, to be changed."""
    copy = folder / "runs" / "pawsx" / "vanilla" / trained_on_pairs.name
    shutil.copytree(trained_on_pairs, copy)
    return copy


@pytest.fixture
def tagging_run(finished_run: Path, folder: Path) -> Path:
    """A copy of the finished run, to be changed."""
    copy = folder / "runs" / "pos" / "vanilla" / finished_run.name
    shutil.copytree(finished_run, copy)
    return copy


def read(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


# ------------------------------------------------------------------------------------------------------------- eval


def test_eval_adds_languages(pair_run: Path, good: Good) -> None:
    before = read(pair_run)
    model = (pair_run / "model" / "model.safetensors").stat().st_mtime_ns
    out = good("eval", pair_run, "--languages", "fr")
    assert "evaluate: 1 test sets" in out and "train:" not in out
    after = read(pair_run)
    assert [(row["language"], row["metric"]) for row in after["scores"]] == [
        (language, metric) for language in ("de", "fr") for metric in ("accuracy", "ece")
    ]
    assert after["scores"][:2] == before["scores"]
    assert after["spec"]["evaluation"]["languages"] == ["de", "fr"]
    assert after["training"] == before["training"] and after["run_id"] == before["run_id"]
    assert after["summary"]["languages"] == 2 and after["status"] == "complete"
    predicted = [a["of"]["language"] for a in after["artifacts"] if a["role"] == "predictions"]
    assert predicted == ["de", "fr"]
    assert [(row["split"], row["language"]) for row in after["data"]["used"]] == [
        *(("train", "en"), ("dev", "en"), ("test", "de"), ("test", "fr"))
    ]
    assert (pair_run / "model" / "model.safetensors").stat().st_mtime_ns == model

    # Without languages: all there are. The path of the document serves as well as the folder.
    good("eval", pair_run / "result.json")
    assert list(dict.fromkeys(row["language"] for row in read(pair_run)["scores"])) == ["de", "fr", "en"]
    assert read(pair_run)["summary"]["source"] is not None
    assert load_result(pair_run).summary is not None


def test_eval_with_nothing_to_do(pair_run: Path, good: Good) -> None:
    before = read(pair_run)
    out = good("eval", pair_run, "--languages", "de")
    assert "nothing to do: all of this has its scores" in out
    after = read(pair_run)
    assert {key for key in before if before[key] != after[key]} <= {"updated", "sums", "sha256"}
    assert {key for key in before["sums"] if before["sums"][key] != after["sums"][key]} <= {"updated"}


def test_eval_reads_another_data_folder(
    pair_run: Path, good: Good, refused: Refused, tiny_data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "pawsx"
    other.mkdir(parents=True)
    lines = (tiny_data / "pawsx" / "test-fr.tsv").read_text().splitlines()
    (other / "test-xx.tsv").write_text("\n".join(lines[:7]) + "\n")
    assert "'xx'" in refused("eval", pair_run, "--languages", "xx")
    good("eval", pair_run, "--languages", "xx", "--data-dir", tmp_path / "other")
    row = read(pair_run)["scores"][-1]
    assert (row["language"], row["n"]) == ("xx", 7)
    assert len(load_predictions(pair_run, "xx")) == 7
    assert "no such folder" in refused("eval", pair_run, "--data-dir", tmp_path / "nowhere")
    assert read(pair_run)["status"] == "complete", "a mistake changes nothing"


def test_eval_scores_changed_rows_anew(pair_run: Path, good: Good, tiny_data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "pawsx"
    other.mkdir(parents=True)
    lines = (tiny_data / "pawsx" / "test-de.tsv").read_text().splitlines()
    (other / "test-de.tsv").write_text("\n".join(lines[:7]) + "\n")
    good("eval", pair_run, "--languages", "fr")
    out = good("eval", pair_run, "--languages", "de", "--data-dir", tmp_path / "other")
    assert "nothing to do" not in out
    document = read(pair_run)
    main = [row for row in document["scores"] if row["metric"] == "accuracy"]
    assert [(row["language"], row["n"]) for row in main] == [("de", 7), ("fr", 24)]
    used = {row["language"]: row["rows"] for row in document["data"]["used"] if row["split"] == "test"}
    assert used == {"de": 7, "fr": 24}
    assert len(load_predictions(pair_run, "de")) == 7
    assert "nothing to do" in good("eval", pair_run, "--languages", "de", "--data-dir", tmp_path / "other")


def test_eval_scores_anew_what_was_scored_by_another_version_of_the_metric(pair_run: Path, good: Good) -> None:
    before = read(pair_run)
    old = [{**row, "metric_version": 7, "value": 0.0, "ci_low": 0.0} for row in before["scores"]]
    (pair_run / "result.json").write_text(json.dumps(signed(before | {"scores": old})))
    assert "evaluate: 1 test sets" in good("eval", pair_run, "--languages", "de")
    after = read(pair_run)
    assert [{**row, "seconds": 0} for row in after["scores"]] == [{**row, "seconds": 0} for row in before["scores"]]
    assert "nothing to do" in good("eval", pair_run, "--languages", "de")


def test_eval_adds_a_metric_that_the_task_was_given_since(
    pair_run: Path, good: Good, tiny_data: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all test sets, from saved predictions: the scores are those of a run that had the metric from the start."""
    good("eval", pair_run, "--languages", "de", "--perturb", "typos", "--attack", "pgd", "--set", "attack.steps=1")
    whole = read(pair_run)
    assert {row["condition"] for row in whole["scores"] if row["metric"] == "ece"} == {"clean", "perturbed", "attack"}
    old = [row for row in whole["scores"] if row["metric"] != "ece"]
    (pair_run / "result.json").write_text(json.dumps(signed(whole | {"scores": old})))
    again = RunSpec(
        task="pawsx",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=pair_run.parents[2],
        languages=("de",),
        training={"epochs": 20, "learning_rate": 1e-2, "batch_size": 8},
    )
    monkeypatch.setattr(Scorer, "predict", lambda *arguments: pytest.fail("nothing is to be predicted"))
    assert len(run(again).scores) == len(old), "a complete run stays as it is"
    assert "nothing to do" not in good("eval", pair_run, "--languages", "de")
    assert read(pair_run)["scores"] == whole["scores"]
    assert "scores in ece added from saved predictions" in (pair_run / "run.log").read_text()


def test_eval_without_predictions_adds_no_metric_and_says_so(pair_run: Path, good: Good) -> None:
    before = read(pair_run)
    old = [row for row in before["scores"] if row["metric"] != "ece"]
    (pair_run / "result.json").write_text(json.dumps(signed(before | {"scores": old})))
    next(pair_run.glob("predictions/*.parquet")).unlink()
    good("eval", pair_run, "--languages", "de")
    after = read(pair_run)
    assert after["scores"] == old
    assert any("de is not scored in ece: its predictions are missing" in warning for warning in after["warnings"])


def test_a_score_is_replaced_when_the_new_one_is_there(
    pair_run: Path, command: Callable[..., Any], tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "pawsx"
    other.mkdir(parents=True)
    lines = (tiny_data / "pawsx" / "test-de.tsv").read_text().splitlines()
    (other / "test-de.tsv").write_text("\n".join(lines[:7]) + "\n")
    before = read(pair_run)

    def stop(*arguments: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorer, "predict", stop)
    assert command("eval", pair_run, "--languages", "de", "--data-dir", tmp_path / "other").code == 130
    after = read(pair_run)
    assert (after["scores"], after["data"]) == (before["scores"], before["data"])


def test_eval_that_was_stopped_goes_on(
    pair_run: Path, command: Callable[..., Any], good: Good, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = Scorer.predict

    def fail_with(error: BaseException) -> Callable[..., Any]:
        def stop(*arguments: Any, **named: Any) -> Any:
            raise error

        return stop

    for error, code, status in ((KeyboardInterrupt(), 130, "interrupted"), (ArithmeticError("no"), 1, "complete")):
        monkeypatch.setattr(Scorer, "predict", fail_with(error))
        assert command("eval", pair_run, "--languages", "fr").code == code
        assert read(pair_run)["status"] == status
        assert {row["language"] for row in read(pair_run)["scores"]} == {"de"}
    assert [one["error"] for one in read(pair_run)["unscored"]] == ["ArithmeticError: no (traceback in run.log)"]
    monkeypatch.setattr(Scorer, "predict", predict)
    good("eval", pair_run, "--languages", "fr")
    document = read(pair_run)
    assert document["status"] == "complete" and document["error"] is None
    used = [(row["split"], row["language"]) for row in document["data"]["used"]]
    assert used == [("train", "en"), ("dev", "en"), ("test", "de"), ("test", "fr")], "each once"


def test_eval_and_predict_need_the_weights(pair_run: Path, refused: Refused, tmp_path: Path) -> None:
    text = tmp_path / "text.tsv"
    text.write_text("a\tb\n")
    shutil.rmtree(pair_run / "model")
    before = (pair_run / "result.json").read_bytes()
    assert "kept no weights" in refused("eval", pair_run, "--languages", "fr")
    assert "not kept" in refused("predict", pair_run, text)
    assert (pair_run / "result.json").read_bytes() == before


# ---------------------------------------------------------------------------------------------------------- predict


def test_predict_pairs(pair_run: Path, good: Good, tiny_data: Path, tmp_path: Path) -> None:
    """A user's file gets the labels that the same rows got when the run was scored; gold labels are read past."""
    saved = load_predictions(pair_run, "de")
    assert {row["prediction"] for row in saved} == {"0", "1"}, "a constant would prove nothing"
    rows = [line.split("\t") for line in (tiny_data / "pawsx" / "test-de.tsv").read_text().splitlines()]
    plain, labelled, other = (tmp_path / name for name in ("plain.tsv", "labelled.tsv", "other.tsv"))
    plain.write_text("".join(f"{a}\t{b}\n" for a, b, _ in rows))
    labelled.write_text("".join(f"{a}\t{b}\t{label}\n" for a, b, label in rows))
    other.write_text("".join(f"{a}\t{b}\tto be labelled\n" for a, b, _ in rows))
    out = good("predict", pair_run, plain)
    printed: Table = [line.split("\t") for line in out.splitlines()]
    assert [row[:2] for row in printed] == [row[:2] for row in rows]
    assert [row[2] for row in printed] == [row["prediction"] for row in saved]
    assert [float(row[3]) for row in printed] == pytest.approx([max(row["scores"]) for row in saved], abs=1e-4)
    assert good("predict", pair_run, labelled) == good("predict", pair_run, other) == out


def test_predict_writes_a_file(pair_run: Path, good: Good, tmp_path: Path) -> None:
    text, output = tmp_path / "text.tsv", tmp_path / "labels.tsv"
    text.write_text('le chat court\tle "chat"\u2028court\nx\ty\n', encoding="utf-8")
    out = good("predict", pair_run, text)
    assert good("predict", pair_run, text, "--output", output) == ""
    assert output.read_text(encoding="utf-8") == out
    assert {path.name for path in tmp_path.iterdir()} == {"text.tsv", "labels.tsv", "folder"}


def test_predict_finds_an_output_that_cannot_be_written_before_it_begins(
    pair_run: Path, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.tsv"  # which is not there: it has not been looked for yet
    error = refused("predict", pair_run, text, "--output", tmp_path / "nowhere" / "labels.tsv")
    assert f"there is no folder {tmp_path / 'nowhere'}" in error
    assert "is a folder: name a file in it" in refused("predict", pair_run, text, "--output", tmp_path)
    # The tests may run as one who may write anywhere.
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    assert "may not be written to" in refused("predict", pair_run, text, "--output", tmp_path / "labels.tsv")


def test_predict_offline_asks_no_hub_for_the_base_model(
    pair_run: Path, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def load(folder: Path, result: Any, plugins: Any, *, offline: bool) -> Any:
        asked.append(offline)
        return load_run_model(folder, result, plugins, offline=offline)

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # which the command sets, and which is put back after the test
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr("xrobust.predict.load_run_model", load)
    text = tmp_path / "text.tsv"
    text.write_text("a\tb\n")
    assert good("predict", pair_run, text) == good("predict", pair_run, text, "--offline")
    assert asked == [False, True]


def test_predict_tags(tagging_run: Path, good: Good, tiny_data: Path, tmp_path: Path) -> None:
    saved = load_predictions(tagging_run, "fr")
    assert len({tag for row in saved for tag in row["prediction"]}) > 1, "a constant would prove nothing"
    gold = (tiny_data / "pos" / "test-fr.tsv").read_text()
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("".join(line.split("\t")[0] + "\n" for line in gold.splitlines()))
    out = good("predict", tagging_run, tokens)
    sentences = [[line.split("\t") for line in block.splitlines()] for block in out.split("\n\n")]
    expected = [[line.split("\t")[0] for line in block.splitlines()] for block in gold.split("\n\n")]
    assert [[row[0] for row in sentence] for sentence in sentences] == expected
    assert [[row[1] for row in sentence] for sentence in sentences] == [row["prediction"] for row in saved]
    probabilities = [float(row[2]) for sentence in sentences for row in sentence]
    assert probabilities == pytest.approx([p for row in saved for p in row["scores"]], abs=1e-4)
    assert good("predict", tagging_run, tiny_data / "pos" / "test-fr.tsv") == out


def test_predict_keeps_tokens_aligned(tagging_run: Path, good: Good, tmp_path: Path) -> None:
    """Empty tokens, tokens without a piece, words of many pieces, and a sentence longer than the model takes."""
    tokens = ["le", "", "\u200b", "a" * 300, "chat", " ", "—", "日本", *["court"] * 150]
    text = tmp_path / "text.tsv"
    text.write_text("".join(f"{token}\tX\n" for token in tokens) + "\n\n\nle\tX\n", encoding="utf-8")
    lines = good("predict", tagging_run, text).split("\n")
    assert [line.split("\t")[0] for line in lines] == [*tokens, "", "", "", "le", ""]
    assert all(len(line.split("\t")) == 3 for line in lines[: len(tokens)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sentence1 TAB sentence2 TAB label (the column label is optional)"),
        (b"a\tb\nc\n", "text.tsv:2"),
        (b"a\tb\tc\td\n", "text.tsv:1"),
        (b"a\tb\n\xff\t\xfe\n", "text.tsv:2"),
        (None, "there is no such file"),
    ],
    ids=["empty", "a column is missing", "too many columns", "not UTF-8", "no file"],
)
def test_predict_refuses_a_bad_file(
    tagging_run: Path, refused: Refused, tmp_path: Path, content: bytes | None, message: str
) -> None:
    document = read(tagging_run)
    document["spec"]["train"]["task"] = "pawsx"  # the file is read before the model is
    train = document["spec"]["train"]
    document = signed(document | {"run_id": run_id(train), "group_id": group_id(train)})
    (tagging_run / "result.json").write_text(json.dumps(document))
    text = tmp_path / "text.tsv"
    if content is not None:
        text.write_bytes(content)
    error = refused("predict", tagging_run, text, "--output", tmp_path / "out.tsv")
    assert message in error and str(text) in error
    assert not (tmp_path / "out.tsv").exists()


# ------------------------------------------------------------------------------------------------------------- runs


def copy_of(run: Path, name: str, **changes: Any) -> None:
    """Another run in the same folder, in another state."""
    target = run.with_name(name)
    shutil.copytree(run, target)
    result = load_result(target)
    for key, value in changes.items():
        setattr(result, key, value)
    save_result(target, result)


def test_runs_lists_every_state(tagging_run: Path, good: Good, folder: Path) -> None:
    copy_of(tagging_run, "failed", status="failed", error="the disk is full", scores=[])
    copy_of(tagging_run, "stopped", status="interrupted", training=None, scores=[])
    copy_of(tagging_run, "going", status="running")
    document = read(tagging_run)
    document["updated"] = (datetime.now(UTC) - timedelta(hours=5, minutes=59)).isoformat(timespec="seconds")
    document = signed(document)
    (tagging_run / "result.json").write_text(json.dumps(document))
    for name, content in (("cut", (tagging_run / "result.json").read_bytes()[:500]), ("changed", b"")):
        shutil.copytree(tagging_run, tagging_run.with_name(name))
        if not content:
            document["spec"]["train"]["seed"] = 9
            content = json.dumps(document).encode()
        (tagging_run.with_name(name) / "result.json").write_bytes(content)

    out = good("runs")
    header, *lines = out.splitlines()
    assert header.split() == ["run", "task", "method", "seed", "state", "average", "age", "folder"]
    rows = {Path(line.split()[-1]).name: " ".join(line.split()) for line in lines if not line.startswith("damaged:")}
    average = f"accuracy {100 * document['summary']['average']:.1f} over 3"
    name = tagging_run.name
    assert rows[name] == f"{name} pos vanilla 0 complete {average} 5 h {tagging_run.relative_to(folder)}"
    assert rows["going"].startswith(f"{name} pos vanilla 0 running {average} ")
    assert rows["failed"].startswith(f"{name} pos vanilla 0 failed - ")
    assert rows["stopped"].startswith(f"{name} pos vanilla 0 interrupted - ")
    assert set(rows) == {name, "going", "failed", "stopped"}
    damaged = [line for line in lines if line.startswith("damaged: ")]
    assert len(damaged) == 2
    assert "changed/result.json" in damaged[0] and "the document was changed" in damaged[0]
    assert "cut/result.json" in damaged[1] and "not a result document" in damaged[1]
    assert good("runs", folder / "runs").replace(str(folder) + "/", "").splitlines() == out.splitlines()


def test_runs_with_nothing_to_list(good: Good, refused: Refused, folder: Path, tagging_run: Path) -> None:
    (folder / "empty").mkdir()
    assert good("runs", folder / "empty") == f"no runs in {folder / 'empty'}\n"
    assert "is not a folder" in refused("runs", folder / "nowhere")
    document = read(tagging_run)
    document["updated"] = "yesterday"
    (tagging_run / "result.json").write_text(json.dumps(document))
    out = good("runs")
    assert out.startswith("no runs in runs\ndamaged: ") and "updated" in out


def test_age() -> None:
    for ago, text in (
        (timedelta(seconds=7), "7 s"),
        (timedelta(minutes=59, seconds=30), "59 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=400), "400 d"),
        (timedelta(hours=-1), "0 s"),  # written on a machine whose clock is ahead
    ):
        assert age((datetime.now(UTC) - ago).isoformat()) == text


# ------------------------------------------------------------------------------------------------- version and help


def test_version(good: Good) -> None:
    assert good("--version") == f"xrobust {version('xrobust')}\n"


COMMANDS = {
    "run": "--task --method --model --data-dir --source --languages --perturb --attack --pairs --transfer-pairs "
    "--seeds --limit --precision --output --set --config --preset --plugin --num-processes --keep-checkpoints "
    "--log-with --offline --force --dry-run",
    "sweep": "FILE --jobs --executor --dry-run --log-with --yes",
    "eval": "RUN --languages --perturb --attack --pairs --set --plugin --data-dir --num-processes --offline",
    "predict": "RUN FILE --output --offline",
    "runs": "FOLDER --group --filter --sort --json",
    "compare": "BASELINE --runs --filter --metric --condition --common --budget --paired-seeds --check --flips "
    "--format --json --output --plugin",
    "leaderboard": "build merge verify show export",
    "leaderboard build": "RUNS --output --filter --verify --budget --sample --plugin",
    "leaderboard merge": "FILE --output",
    "leaderboard verify": "FILE --runs --plugin",
    "leaderboard show": "FILE --sort --languages --format --output",
    "leaderboard export": "FILE --to --output --entry --force",
    "list": "--plugin --json",
    "show": "NAME --plugin",
    "schema": "result comparison leaderboard",
    "analyze": "overlap distance",
    "analyze overlap": "RUNS --metric --data-dir --offline --json",
    "analyze distance": "RUNS --of --metric --perturbation --distance --plot --json",
    "data": "fetch convert",
    "data convert": "--language --output --seed --plugin",
    "data fetch": "--task --method --model --data-dir --source --languages --set --config --preset --plugin",
}


def test_every_command_is_known_here() -> None:
    assert {name for name in COMMANDS if " " not in name} == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_takes(good: Good, folder: Path, name: str) -> None:
    out = good(*name.split(), "-h")
    assert out == good(*name.split(), "--help")
    assert f"Usage: xrobust {name}" in out
    for taken in COMMANDS[name].split():
        assert taken in out
    assert "Traceback" not in out
    assert not list(folder.iterdir())


def test_help_of_the_whole(good: Good, command: Callable[..., Any]) -> None:
    out = good("-h")
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"\n  {name} " in out
    assert command().out == out, "without arguments too"
