"""The four tasks with the six methods, on real data with a real encoder: small, but whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xrobust import RunSpec, load_model, load_predictions, run
from xrobust.contracts.encoded import IGNORED
from xrobust.data.sources import open_source
from xrobust.registry.plugins import Plugins

TASKS = {"pawsx": "fr", "xnli": "sw", "wikiann": "ar", "pos": "tr"}
METHODS = ("vanilla", "adversarial", "rs_random", "rs_aug", "lora", "adapter")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", TASKS)
def test_a_run(task: str, method: str, tmp_path: Path, real_model: Path, few_real_rows: Path) -> None:
    target = TASKS[task]
    spec = RunSpec(
        task=task,
        method=method,
        model=str(real_model),
        data_dir=few_real_rows,
        output=tmp_path,
        languages=("en", target),
        limit=12,
        training={"epochs": 1, "learning_rate": 2e-3, "batch_size": 8},
    )
    result = run(spec)
    assert result.status == "complete"
    assert result.scored() == {"en", target}
    assert result.training is not None
    # rs_aug's copies take the place of the originals: 10 for PAWS-X, 3 for the others.
    copies = {"pawsx": 10}.get(task, 3) if method == "rs_aug" else 1
    assert result.training.budget.examples == 12 * copies
    assert result.training.curve[-1].loss > 0
    trainable, parameters = result.model.trainable_parameters, result.model.parameters
    assert trainable is not None and parameters is not None
    assert (trainable < parameters / 10) == (method in ("lora", "adapter"))
    folder = tmp_path / task / method / result.run_id
    assert len(load_predictions(folder, target)) == 12

    model, tokenizer = load_model(folder)
    plugin = Plugins().load("tasks", task)()
    example = plugin.load("test", target, open_source(few_real_rows, True))[0]
    encoded = plugin.kind.encode([example], tokenizer, result.spec.train.training.max_length)
    with torch.no_grad():
        batch = encoded.collate(range(len(encoded)), tokenizer.pad_token_id)
        tensors = {name: torch.from_numpy(array) for name, array in batch.items() if name != "noise_mask"}
        labels = tensors.pop("labels")
        probabilities = model(**tensors).logits.softmax(dim=-1)
    if plugin.kind.pre_split:
        probabilities = probabilities[labels != IGNORED]
    found = [plugin.kind.labels[k] for k in probabilities.argmax(dim=-1)]
    row = load_predictions(folder, target)[0]
    assert row["id"] == example["id"]
    if plugin.kind.pre_split:
        assert row["prediction"] == found
        assert row["scores"] == pytest.approx(probabilities.max(dim=-1).values.tolist(), abs=1e-4)
    else:
        assert [row["prediction"]] == found
        assert row["scores"] == pytest.approx(probabilities[0].tolist(), abs=1e-4)
