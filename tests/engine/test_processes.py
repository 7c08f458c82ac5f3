"""One process and two: the same predictions and scores, and a training that agrees."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust import load_predictions

Command = Callable[..., subprocess.CompletedProcess[str]]


def run_folder(output: Path) -> Path:
    (document,) = output.rglob("result.json")
    return document.parent


def test_two_processes_train_and_score_what_one_does(
    tmp_path: Path, xrobust: Command, no_dropout: Path, tiny_data: Path
) -> None:
    arguments = [
        *("run", "--task", "wikiann", "--model", no_dropout, "--data-dir", tiny_data, "--limit", "23"),
        # 23 examples in batches of 4: the last has 3, which two processes share unevenly.
        *("--set", "training.epochs=3", "--set", "training.batch_size=4", "--set", "training.learning_rate=2e-3"),
        *("--set", "micro_batch_size=1"),
    ]
    one = xrobust(*arguments, "--output", tmp_path / "one")
    two = xrobust(*arguments, "--output", tmp_path / "two", "--num-processes", "2", env={"OMP_NUM_THREADS": "1"})
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("step 18/18") == 1, "one process prints"

    documents = [json.loads((run_folder(tmp_path / n) / "result.json").read_text()) for n in ("one", "two")]
    assert [d["environment"]["world_size"] for d in documents] == [1, 2]
    assert documents[0]["run_id"] == documents[1]["run_id"], "the number of processes is no part of a run's identity"
    losses = [[point["loss"] for point in d["training"]["curve"]] for d in documents]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_the_same_model_scored_by_one_process_and_by_two(
    tmp_path: Path, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    trained = xrobust(
        *("run", "--task", "xnli", "--model", tiny_model, "--data-dir", tiny_data, "--languages", "en"),
        *("--set", "training.epochs=1", "--output", tmp_path / "one"),
    )
    assert trained.returncode == 0, trained.stderr
    one = run_folder(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = run_folder(tmp_path / "two")
    for folder, processes in ((one, 1), (two, 2)):
        scored = xrobust("eval", folder, "--languages", "de,fr", "--num-processes", processes)
        assert scored.returncode == 0, scored.stderr
    for language in ("de", "fr"):
        assert load_predictions(one, language) == load_predictions(two, language)
        assert len(load_predictions(two, language)) == 24

    def scores(folder: Path) -> list[dict[str, object]]:
        rows = json.loads((folder / "result.json").read_text())["scores"]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    assert scores(one) == scores(two)
    assert [row["language"] for row in scores(two)] == ["en", "de", "fr"]
