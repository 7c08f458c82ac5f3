"""Prediction in every language against `Trainer.predict`, a language at a time.

Both begin with tokenised examples and end with what the model says of each on the host. The Trainer has the batch size
that was the quickest for it in a trial beforehand, on the source language.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import numpy as np

from tests.benchmarks.measuring import alternate, ratio
from tests.benchmarks.training_speed import collator, rows, synchronise
from tests.benchmarks.workload import Workload
from xrobust.contracts.encoded import Encoded
from xrobust.engine.accelerator import accelerator
from xrobust.engine.order import evaluation_batches
from xrobust.engine.predict import predict

BATCH_SIZES = (8, 32, 128)


def transformers_trainer(work: Workload, model: Any, batch_size: int, device: str) -> Any:
    """A `transformers.Trainer` that only predicts, with dynamic padding."""
    from transformers import Trainer, TrainingArguments

    return Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=tempfile.gettempdir(),
            per_device_eval_batch_size=batch_size,
            report_to=[],
            disable_tqdm=True,
            use_cpu=device == "cpu",
            dataloader_pin_memory=device != "cpu",
        ),
        data_collator=collator(work),
    )


def compare(work: Workload, *, examples: int, rounds: int, device: str) -> dict[str, Any]:
    """The figures of one task and encoder; `examples` is the number of test examples taken of each language."""
    from datasets import Dataset

    model = work.fresh_model(device).eval()
    pad_id = work.tokenizer.pad_token_id
    encoded = {code: work.encoded("test", code, examples)[1] for code in work.languages()}
    datasets = {code: Dataset.from_list(rows(found)) for code, found in encoded.items()}
    accelerate = accelerator("fp32")

    def seconds_of(languages: list[str], size: int) -> float:
        trainer = transformers_trainer(work, model, size, device)
        started = time.perf_counter()
        for code in languages:
            trainer.predict(datasets[code])
        synchronise(device)
        return time.perf_counter() - started

    source = [work.task.info.source_language]
    seconds_of(source, BATCH_SIZES[0])
    trial = {size: seconds_of(source, size) for size in BATCH_SIZES}
    quickest = min(trial, key=lambda size: trial[size])

    said: dict[str, list[np.ndarray]] = {}

    def ours(number: int) -> float:
        started = time.perf_counter()
        for code, found in encoded.items():
            said[code] = predict(model, found, accelerate, pad_id)
        return time.perf_counter() - started

    seconds = alternate(
        {"xrobust": ours, "Trainer.predict": lambda number: seconds_of(list(encoded), quickest)}, rounds
    )
    return {
        "languages": len(encoded),
        "examples": sum(map(len, encoded.values())),
        "Trainer's batch size": quickest,
        "real share": _share(encoded, [evaluation_batches(found.lengths, device) for found in encoded.values()]),
        "real share, Trainer": _share(encoded, [_in_order(found, quickest) for found in encoded.values()]),
        "largest difference of a probability": _apart(work, model, datasets, said, quickest, device),
        "seconds": seconds,
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "ratio": ratio(seconds["Trainer.predict"], seconds["xrobust"]),
    }


def _in_order(encoded: Encoded, size: int) -> list[np.ndarray]:
    return [np.arange(i, min(i + size, len(encoded))) for i in range(0, len(encoded), size)]


def _share(encoded: dict[str, Encoded], batches: list[list[np.ndarray]]) -> float:
    """Real word pieces among those computed."""
    real = sum(int(found.lengths.sum()) for found in encoded.values())
    computed = sum(
        len(batch) * int(found.lengths[batch].max())
        for found, laid_out in zip(encoded.values(), batches, strict=True)
        for batch in laid_out
    )
    return real / computed


def _apart(
    work: Workload, model: Any, datasets: dict[str, Any], said: dict[str, list[np.ndarray]], size: int, device: str
) -> float:
    """How far both are apart in one language, at most: that both computed the same thing."""
    code = work.task.info.source_language
    logits, labels, _ = transformers_trainer(work, model, size, device).predict(datasets[code])
    logits = logits - logits.max(axis=-1, keepdims=True)
    theirs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    if labels.ndim > 1:
        return max(float(np.abs(p - theirs[i][labels[i] >= 0]).max()) for i, p in enumerate(said[code]) if len(p))
    return float(np.abs(np.array(said[code]) - theirs).max())
