"""The four tasks with the six methods, on real data with a real encoder: small, but whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust import RunSpec, load_model, load_predictions, run

TASKS = {"pawsx": "fr", "xnli": "sw", "wikiann": "ar", "pos": "tr"}
METHODS = ("vanilla", "adversarial", "rs_random", "rs_aug", "lora", "adapter")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", TASKS)
def test_a_run(task: str, method: str, tmp_path: Path, real_model: Path, real_data: Path) -> None:
    target = TASKS[task]
    spec = RunSpec(
        task=task,
        method=method,
        model=str(real_model),
        data_dir=real_data,
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
    assert result.training.examples == 12 * copies
    assert result.training.curve[-1].loss > 0
    trainable, parameters = result.model.trainable_parameters, result.model.parameters
    assert trainable is not None and parameters is not None
    assert (trainable < parameters / 10) == (method in ("lora", "adapter"))
    folder = tmp_path / task / method / result.run_id
    assert len(load_predictions(folder, target)) == 12
    load_model(folder)
