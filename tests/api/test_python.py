"""`from xrobust import run, RunSpec, load_result, load_model` does what the command does, and returns objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import xrobust
from xrobust import (
    RunSpec,
    UserError,
    compare,
    leaderboard,
    load_model,
    load_predictions,
    load_result,
    load_results,
    run,
)
from xrobust.predict import predict_file


def test_all_public_names_are_there() -> None:
    assert {"run", "RunSpec", "load_result", "load_model"} <= set(xrobust.__all__)
    for name in xrobust.__all__:
        assert getattr(xrobust, name) is not None


def test_run_returns_the_document_that_is_on_disk(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    seen: list[str] = []

    class Observer:
        @xrobust.hookimpl
        def run_started(self, spec: dict[str, Any], folder: str, total_steps: int) -> None:
            seen.append(f"started {total_steps}")

        @xrobust.hookimpl
        def language_scored(self, row: dict[str, Any]) -> None:
            seen.append(f"{row['language']} {row['metric']}")

    spec = RunSpec(
        task="xnli",
        method="rs_random",
        method_params={"epsilon": 0.2},
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("de", "en"),
        training={"epochs": 1, "batch_size": 16},
    )
    result = run(spec, observers=[Observer()])
    folder = tmp_path / "xnli" / "rs_random" / result.run_id
    assert load_result(folder) == result == load_result(folder / "result.json")
    assert seen == ["started 3", "de accuracy", "de ece", "en accuracy", "en ece"]
    assert result.status == "complete"
    assert result.spec.train.method[0].params["epsilon"] == 0.2
    assert 0 <= result.value("de") <= 1
    with pytest.raises(KeyError):
        result.value("fr")
    assert result.summary is not None
    assert json.loads((folder / "result.json").read_text())["summary"]["transfer_gap"] == result.summary.transfer_gap


def test_the_loaded_model_says_what_the_predictions_say(finished_run: Path, tiny_data: Path) -> None:
    """With plain transformers calls, one sentence at a time, no padding."""
    model, tokenizer = load_model(finished_run)
    assert not model.training
    block = (tiny_data / "pos" / "test-fr.tsv").read_text().split("\n\n")[3]
    tokens = [line.split("\t")[0] for line in block.splitlines()]
    inputs = tokenizer(tokens, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    firsts = [inputs.word_ids(0).index(word) for word in range(len(tokens))]
    labels = [model.config.id2label[int(logits[i].argmax())] for i in firsts]
    saved = load_predictions(finished_run, "fr")[3]
    assert labels == saved["prediction"]
    assert [float(logits[i].softmax(-1).max()) for i in firsts] == pytest.approx(saved["scores"], abs=1e-5)


def test_mistakes_are_user_errors(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'pos'"):
        run(RunSpec(task="poss", model=str(tiny_model), data_dir=tiny_data, output=tmp_path))
    with pytest.raises(UserError, match="did you mean 'languages'"):
        RunSpec.parse({"task": "pos", "langages": ["de"]})
    with pytest.raises(UserError, match="no run at"):
        load_result(tmp_path / "nowhere")
    with pytest.raises(UserError):
        load_predictions(tmp_path, "de")
    for use in (leaderboard, compare, load_results):
        with pytest.raises(UserError, match=r"^\['runs'\] is no path, id or filter: give each as text"):
            use(["runs"])  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_paths_are_text_too(finished_run: Path, tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "observer.py").write_text("from xrobust import hookimpl\n\n\n@hookimpl\ndef run_failed(error): ...\n")
    task = load_result(finished_run).spec.train.task
    text, plugins = str(tiny_data / task / "test-de.tsv"), [str(tmp_path / "observer.py")]
    expected = [*predict_file(finished_run, Path(text))]
    assert [*predict_file(str(finished_run), text, plugin_files=plugins)] == expected
    load_model(str(finished_run), plugin_files=plugins)
    with pytest.raises(UserError, match=r"^plugin files '.*observer\.py': give a list of paths$"):
        load_model(finished_run, plugin_files=plugins[0])
