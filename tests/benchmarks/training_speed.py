"""Training against what a user would take instead: transformers' Trainer, and the protocol of the XTREME scripts.

All contenders see the same examples, once, in batches of 32, with the same AdamW (fused), linear decay and clipping,
and start from the same weights. The loss over all of the examples afterwards is reported: a contender that is quick
because it does less would show there. Tokenising, loading and saving are outside of what is timed, for all alike.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.measuring import alternate, ratio
from tests.benchmarks.workload import MAX_LENGTH, Workload, matmul_flops, training_flops
from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts.encoded import IGNORED, Encoded
from xrobust.engine.accelerator import accelerator
from xrobust.engine.batches import micro_batch
from xrobust.engine.order import epoch_batches
from xrobust.runtime.observers import Observers
from xrobust.training.checkpoints import Checkpoints
from xrobust.training.inputs import TrainingOptions
from xrobust.training.job import TrainingJob
from xrobust.training.loop import Trainer
from xrobust.training.objective import plain_objective

BATCH = 32
RATE = 5e-5
XTREME_BATCH, XTREME_ACCUMULATION = 8, 4
"""As in the scripts of Hu et al. (ICML 2020) that the paper's code is built on: 8 sequences of 128, 4 times a step."""


@dataclass
class Trained:
    """What a contender has to show."""

    model: Any
    seconds: float
    steps: int


def settings(epochs: int = 1, steps: int | None = None) -> TrainingSettings:
    """Those of every contender."""
    return TrainingSettings(
        epochs=epochs,
        max_steps=steps,
        learning_rate=RATE,
        batch_size=BATCH,
        max_length=MAX_LENGTH,
        select_every=10**9,
    )


def ours(
    work: Workload,
    encoded: Encoded,
    seed: int,
    device: str,
    *,
    precision: str = "fp32",
    objective: Any = plain_objective,
    compiled: bool = False,
    rows: str = "used",
    steps: int | None = None,
) -> Trained:
    """xrobust's own loop; what is timed is what the result document reports as seconds of training."""
    model = work.fresh_model(device)
    if compiled:
        model.compile(dynamic=True)
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(work, encoded, model, Path(folder), seed=seed, objective=objective, rows=rows, steps=steps)
        progress = Trainer(job, accelerator(precision), Observers(), warnings.warn).run()
    return Trained(model, progress.seconds, progress.step)


def job_of(
    work: Workload,
    encoded: Encoded,
    model: Any,
    folder: Path,
    *,
    seed: int = 0,
    objective: Any = plain_objective,
    rows: str = "used",
    steps: int | None = None,
) -> TrainingJob:
    """One epoch of `encoded`, or `steps` of it, as a job of xrobust's loop, with checkpoints in `folder`."""
    return TrainingJob(
        model=model,
        objective=objective,
        encoded=lambda epoch: encoded,
        examples=len(encoded),
        score_dev=lambda prepared: 0.0,
        settings=settings(steps=steps),
        seed=seed,
        pad_id=work.tokenizer.pad_token_id,
        options=TrainingOptions(),
        checkpoints=Checkpoints(folder, keep_all=False),
        metric=work.task.metrics[0],
        all_rows=None if rows == "used" else "",
    )


def transformers_trainer(
    work: Workload,
    encoded: Encoded,
    seed: int,
    device: str,
    *,
    sampling: str = "random",
    precision: str = "fp32",
    steps: int | None = None,
) -> Trained:
    """`transformers.Trainer` with dynamic padding and what its documentation names for speed.

    Fused AdamW, SDPA (the default), no logging, no progress bar, and lengths given with the data, so that
    `group_by_length` need not look for them. Timed from the first step to the last, without what Trainer does before.
    """
    from datasets import Dataset
    from transformers import Trainer as TransformersTrainer
    from transformers import TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        """Begins when the loop does: `train_runtime` would count what is built before it."""

        started = stopped = 0.0

        def on_train_begin(self, *arguments: Any, **more: Any) -> None:
            self.started = time.perf_counter()

        def on_train_end(self, *arguments: Any, **more: Any) -> None:
            synchronise(device)
            self.stopped = time.perf_counter()

    torch.backends.cuda.enable_cudnn_sdp(True)  # as torch has it: ours turns it off
    model, clock = work.fresh_model(device), Clock()
    trainer = TransformersTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=tempfile.gettempdir(),
            num_train_epochs=1,
            max_steps=steps or -1,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="linear",
            optim="adamw_torch_fused",
            max_grad_norm=1.0,
            weight_decay=0.0,
            train_sampling_strategy=sampling,
            length_column_name="length",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=device == "cpu",
            dataloader_pin_memory=device != "cpu",
            dataloader_num_workers=0 if device == "cpu" else 4,  # on a CPU they would take it from the model
            bf16=precision == "bf16",
            seed=seed,
        ),
        train_dataset=Dataset.from_list(rows(encoded)),
        data_collator=collator(work),
        callbacks=[clock],
    )
    done = trainer.train()
    return Trained(model, clock.stopped - clock.started, done.global_step)


def xtreme_protocol(work: Workload, encoded: Encoded, seed: int, device: str) -> Trained:
    """What the XTREME scripts do: all padded to 128 beforehand, 8 sequences x 4, random order, the loss read each step.

    Its last, shorter accumulation takes a step too, so that all contenders take as many.
    """
    model = work.fresh_model(device).train()
    names = ("input_ids", "attention_mask", "token_type_ids", "labels")
    columns = padded(encoded, work.tokenizer.pad_token_id, MAX_LENGTH)
    data = torch.utils.data.TensorDataset(*(torch.from_numpy(columns[n]) for n in names if n in columns))
    present = [n for n in names if n in columns]
    torch.manual_seed(seed)
    loader = torch.utils.data.DataLoader(data, batch_size=XTREME_BATCH, shuffle=True)
    decayed = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    micro_batches = len(loader)
    total = -(-micro_batches // XTREME_ACCUMULATION)
    schedule = torch.optim.lr_scheduler.LambdaLR(decayed, lambda step: (total - step) / total)
    synchronise(device)
    started = time.perf_counter()
    running, steps = 0.0, 0
    for number, batch in enumerate(loader):
        inputs = {name: tensor.to(device) for name, tensor in zip(present, batch, strict=True)}
        loss = model(**inputs).loss / XTREME_ACCUMULATION
        loss.backward()
        running += loss.item()
        if (number + 1) % XTREME_ACCUMULATION == 0 or number + 1 == micro_batches:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            decayed.step()
            schedule.step()
            model.zero_grad()
            steps += 1
    synchronise(device)
    return Trained(model, time.perf_counter() - started, steps)


def rows(encoded: Encoded) -> list[dict[str, Any]]:
    """Each item as the tokenizer's own dictionaries: what a Trainer's data set holds."""
    found = []
    for item in range(len(encoded)):
        start, end = (int(n) for n in encoded.offsets[item : item + 2])
        row = {"input_ids": encoded.input_ids[start:end].tolist(), "attention_mask": [1] * (end - start)}
        if encoded.token_types is not None:
            row["token_type_ids"] = encoded.token_types[start:end].tolist()
        row["labels"] = encoded.labels[start:end].tolist() if encoded.per_token else int(encoded.labels[item])
        found.append({**row, "length": end - start})
    return found


def collator(work: Workload) -> Any:
    """transformers' own, with dynamic padding."""
    from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding

    padding = DataCollatorForTokenClassification if work.task.kind.pre_split else DataCollatorWithPadding

    def collate(items: list[dict[str, Any]]) -> Any:
        return padding(work.tokenizer)([{k: v for k, v in item.items() if k != "length"} for item in items])

    return collate


def padded(encoded: Encoded, pad_id: int, length: int) -> dict[str, np.ndarray]:
    """All items, padded to `length`."""
    columns: dict[str, np.ndarray] = {}
    for row, item in enumerate(rows(encoded)):
        for name, value in item.items():
            if isinstance(value, int):
                columns.setdefault(name, np.zeros(len(encoded), dtype=np.int64))[row] = value
                continue
            fill = {"input_ids": pad_id, "labels": IGNORED}.get(name, 0)
            shape = (len(encoded), length)
            columns.setdefault(name, np.full(shape, fill, dtype=np.int64))[row, : len(value)] = value
    return columns


def synchronise(device: str) -> None:
    """Waits for a GPU, so that what was asked of it is counted."""
    if device == "cuda":
        torch.cuda.synchronize()


def final_loss(work: Workload, model: Any, encoded: Encoded, device: str) -> float:
    """Mean loss over the labels of all examples, without dropout."""
    model.eval()
    total = labels = 0.0
    with torch.inference_mode():
        for items in batches_by_length(encoded):
            batch = micro_batch(
                encoded, items.tolist(), work.tokenizer.pad_token_id, torch.device(device), seed=0, embedding_dim=1
            )
            logits = model(**batch.inputs).logits.float()
            total += float(
                torch.nn.functional.cross_entropy(
                    logits.flatten(0, -2), batch.labels.flatten(), reduction="sum", ignore_index=IGNORED
                )
            )
            labels += float((batch.labels != IGNORED).sum())
    return total / labels


def batches_by_length(encoded: Encoded, size: int = BATCH) -> list[np.ndarray]:
    """Fully sorted: as little padding as batches of that size can have."""
    order = np.argsort(encoded.lengths, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


def computed(encoded: Encoded, batches: list[np.ndarray]) -> int:
    """Word pieces in batches, padding included."""
    return int(sum(len(batch) * encoded.lengths[batch].max() for batch in batches))


def contenders() -> dict[str, Callable[..., Trained]]:
    """Ours and the opponents."""
    return {
        "xrobust": ours,
        "XTREME protocol": xtreme_protocol,
        "Trainer": transformers_trainer,
        "Trainer, group_by_length": lambda *given: transformers_trainer(*given, sampling="group_by_length"),
    }


def faster_settings() -> dict[str, Callable[..., Trained]]:
    """Ours in float32, with bf16, and compiled; on a GPU the Trainer with bf16 too."""
    return {
        "xrobust": ours,
        "xrobust, bf16": lambda *given: ours(*given, precision="bf16"),
        "xrobust, compiled": lambda *given: ours(*given, compiled=True),
        "xrobust, bf16, compiled": lambda *given: ours(*given, precision="bf16", compiled=True),
        "Trainer, bf16": lambda *given: transformers_trainer(*given, precision="bf16"),
        "Trainer, bf16, group_by_length": lambda *given: transformers_trainer(
            *given, precision="bf16", sampling="group_by_length"
        ),
    }


def compare(
    work: Workload, runs: dict[str, Callable[..., Trained]], *, examples: int, rounds: int, device: str
) -> dict[str, Any]:
    """The figures of one task and encoder: seconds of each round, ratios, losses, and the bound set by token counts."""
    _, encoded = work.encoded("train", work.task.info.source_language, examples)
    losses: dict[str, list[float]] = {name: [] for name in runs}
    steps: dict[str, int] = {}

    def timed(name: str) -> Callable[[int], float]:
        def run(seed: int) -> float:
            done = runs[name](work, encoded, seed, device)
            losses[name].append(final_loss(work, done.model, encoded, device))
            steps[name] = done.steps
            return done.seconds

        return run

    _, warm = work.encoded("train", work.task.info.source_language, min(examples, 2 * BATCH))
    first_seconds = {name: run(work, warm, 0, device).seconds for name, run in runs.items()}
    seconds = alternate({name: timed(name) for name in runs}, rounds)
    best = computed(encoded, batches_by_length(encoded))
    laid_out = computed(encoded, epoch_batches(encoded.lengths, BATCH, 0, 0))
    fixed, real = MAX_LENGTH * len(encoded), int(encoded.lengths.sum())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    peak = matmul_flops(device)
    return {
        "examples": len(encoded),
        "steps": steps,
        "pieces": {"real": real, "sorted": best, "xrobust": laid_out, f"fixed {MAX_LENGTH}": fixed},
        "bound": fixed / best,
        "seconds of the warm-up": first_seconds,
        "seconds": seconds,
        "median_seconds": medians,
        "examples_per_second": {name: len(encoded) / value for name, value in medians.items()},
        "ratio": {name: ratio(values, seconds["xrobust"]) for name, values in seconds.items() if name != "xrobust"},
        "final_loss": losses,
        "matmul_flops": peak,
        "model_flops_utilisation": training_flops(work.fresh_model("cpu"), real, len(encoded))
        / medians["xrobust"]
        / peak,
    }
