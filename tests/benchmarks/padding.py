"""Padding: the share of real word pieces among those computed on a whole train set, and what its order does to scores.

Sorting by length leaves less padding and less randomness: the second half trains with and without it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.benchmarks.training_speed import BATCH, batches_by_length, computed
from tests.benchmarks.workload import MAX_LENGTH, Workload
from xrobust import RunSpec, run
from xrobust.engine import order


def shares(work: Workload) -> dict[str, Any]:
    """Of the whole train set, under each way of making batches: real pieces over computed ones."""
    _, encoded = work.encoded("train", work.task.info.source_language, None)
    real = int(encoded.lengths.sum())

    def share(bucket_batches: int) -> float:
        with patch.object(order, "BUCKET_BATCHES", bucket_batches):
            return real / computed(encoded, order.epoch_batches(encoded.lengths, BATCH, 0, 0))

    return {
        "examples": len(encoded),
        "xrobust": share(order.BUCKET_BATCHES),
        "sorted within 50 batches": share(50),
        "fully sorted": real / computed(encoded, batches_by_length(encoded)),
        "random": share(1),
        f"fixed {MAX_LENGTH}": real / (MAX_LENGTH * len(encoded)),
    }


def dev_scores(work: Workload, data: str, *, limit: int, epochs: int, rate: float, seeds: int) -> dict[str, Any]:
    """The final score on the source dev set with batches of similar length and with random ones, for each seed."""
    found: dict[str, list[float]] = {"sorted by length": [], "random": []}
    for seed in range(seeds):
        for name, bucket_batches in (("sorted by length", order.BUCKET_BATCHES), ("random", 1)):
            with tempfile.TemporaryDirectory() as folder, patch.object(order, "BUCKET_BATCHES", bucket_batches):
                result = run(
                    RunSpec(
                        task=work.task.info.name,
                        model=work.model,
                        data_dir=Path(data),
                        output=Path(folder),
                        languages=(work.task.info.source_language,),
                        limit=limit,
                        seed=seed,
                        keep_checkpoints="none",
                        training={"epochs": epochs, "learning_rate": rate, "select_every": 10**9},
                    )
                )
            assert result.training is not None
            found[name].append(result.training.dev[-1].value)
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return {"limit": limit, "epochs": epochs, "learning_rate": rate, "dev": found, "mean": means}
