"""Runs on base models that were tuned before: on the same labels in another order, and on others."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from xrobust import RunSpec, load_predictions, load_result, run
from xrobust.results.schema import RunResult


def copy(model: Path, folder: Path, rename: Callable[[str], str], order: Callable[[int], list[int]]) -> Path:
    """A copy of a tuned model whose output i has the name and the weights of the original's output `order[i]`."""
    shutil.copytree(model, folder)
    stored = json.loads((folder / "config.json").read_text())
    labels = list(stored["id2label"].values())
    rows = order(len(labels))
    stored["id2label"] = {str(i): rename(labels[row]) for i, row in enumerate(rows)}
    del stored["label2id"]
    (folder / "config.json").write_text(json.dumps(stored))
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = np.ascontiguousarray(weights[name][rows])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def trained(task: str, method: str, model: Path, data: Path, output: Path, steps: int) -> tuple[RunResult, Path]:
    result = run(
        RunSpec(
            task=task,
            method=method,
            model=str(model),
            data_dir=data,
            output=output,
            languages=("de",),
            training={"batch_size": 16, "max_steps": steps, "learning_rate": 1e-2},
        )
    )
    return result, output / task / method / result.run_id


@pytest.mark.parametrize("task", ["pos", "xnli"])
def test_a_permuted_copy_gives_the_same_predictions(
    task: str, tmp_path: Path, tiny_model: Path, tiny_data: Path
) -> None:
    first, folder = trained(task, "vanilla", tiny_model, tiny_data, tmp_path / "first", steps=12)
    assert first.model.head == "new"
    permuted = copy(folder / "model", tmp_path / "permuted", str.lower, lambda n: [*range(2, n), 0, 1])
    for method in ("vanilla", "lora", "adapter"):
        found = []
        for base in (folder / "model", permuted):
            result, at = trained(task, method, base, tiny_data, tmp_path / base.name, steps=2)
            assert result.model.head == load_result(at).model.head == "mapped"
            found.append([(p["prediction"], p["scores"]) for p in load_predictions(at, "de")])
        assert found[0] == found[1]


def test_the_head_of_other_labels_is_new_and_said_so(
    tmp_path: Path, tiny_data: Path, finished_run: Path, xrobust: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The line is on the terminal and in the log; the document has the state."""
    others = copy(finished_run / "model", tmp_path / "others", lambda name: f"MY-{name}", lambda n: list(range(n)))
    for model, line, state in (
        (others, "the model's head is new: the checkpoint's is for other labels (MY-ADJ, MY-ADP, ", "new"),
        (
            finished_run / "model",
            "the model's head is the checkpoint's, which is for the labels of this task",
            "mapped",
        ),
    ):
        arguments = ["run", "--task", "pos", "--model", model, "--data-dir", tiny_data, "--languages", "de"]
        done = xrobust(*arguments, "--output", tmp_path / "runs", "--set", "training.max_steps=1")
        assert done.returncode == 0, done.stderr
        assert sum(said.startswith(line) for said in done.stdout.splitlines()) == 1
        (folder,) = [p.parent for p in tmp_path.glob("runs/*/*/*/result.json") if load_result(p).model.head == state]
        assert line in (folder / "run.log").read_text()
