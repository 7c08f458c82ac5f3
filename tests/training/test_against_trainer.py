"""The training loop against transformers' Trainer: the same data, the same settings, the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xrobust import RunSpec, load_result, run
from xrobust.engine.order import epoch_batches
from xrobust.kinds import SequenceClassification, TokenClassification

TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
BATCH, EPOCHS, RATE = 8, 3, 5e-3


def rows(path: Path, task: str) -> list[dict[str, Any]]:
    text = path.read_text()
    if task == "pos":
        blocks = [[line.split("\t") for line in block.splitlines()] for block in text.strip().split("\n\n")]
        return [{"id": str(i), "tokens": [w for w, _ in b], "tags": [t for _, t in b]} for i, b in enumerate(blocks)]
    columns = [line.split("\t") for line in text.splitlines()]
    return [{"id": str(i), "text": a, "text_pair": b, "label": k} for i, (a, b, k) in enumerate(columns)]


@pytest.mark.parametrize("task", ["pos", "pawsx"])
def test_the_same_weights_as_the_trainer(task: str, tmp_path: Path, no_dropout: Path, tiny_data: Path) -> None:
    """Token classification is the hard case: the loss is a mean over the tokens of a batch, whose lengths differ, and
    micro-batches of 3 do not divide a batch of 8. The Trainer takes its batches whole: with accumulation it sums the
    means of its micro-batches for these models (transformers 5.23), which is another loss."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
        Trainer,
        TrainingArguments,
    )

    training = {"epochs": EPOCHS, "learning_rate": RATE, "batch_size": BATCH, "warmup_ratio": 0.25}
    training |= {"weight_decay": 0.1, "max_grad_norm": 0.5, "max_length": 64, "select_every": 10**6}
    spec = RunSpec(
        task=task,
        model=str(no_dropout),
        data_dir=tiny_data,
        output=tmp_path / "ours",
        languages=("en",),
        training=training,
        micro_batch_size=3,
    )
    result = run(spec)
    ours = load_file(tmp_path / "ours" / task / "vanilla" / result.run_id / "model" / "model.safetensors")

    tokenizer = AutoTokenizer.from_pretrained(no_dropout)
    examples = rows(tiny_data / task / "train-en.tsv", task)
    if task == "pos":
        kind: Any = TokenClassification(tuple(TAGS))
        model_class: Any = AutoModelForTokenClassification
    else:
        kind, model_class = SequenceClassification(("0", "1")), AutoModelForSequenceClassification
    encoded = kind.encode(examples, tokenizer, 64)
    # The Trainer gets the examples in our order, and has nothing else of ours but the arrays of each example.
    order = np.concatenate([np.concatenate(epoch_batches(encoded.lengths, BATCH, 0, e)) for e in range(EPOCHS)])
    items = [encoded.collate([int(i)], tokenizer.pad_token_id) for i in order]
    inputs = ("input_ids", "attention_mask", "token_type_ids", "labels")
    dataset = [{name: item[name][0] for name in inputs} for item in items]

    def pad(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(item["input_ids"]) for item in batch)
        fill = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "token_type_ids": 0, "labels": -100}

        def widen(name: str, values: Any) -> Any:
            return np.pad(values, (0, longest - len(values)), constant_values=fill[name]) if np.ndim(values) else values

        return {name: torch.tensor(np.array([widen(name, item[name]) for item in batch])) for name in inputs}

    class InOrder(Trainer):
        def _get_train_sampler(self, *arguments: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_class.from_pretrained(no_dropout, num_labels=len(kind.labels))
    start = load_start(result, no_dropout, kind)
    model.load_state_dict(start)
    steps = len(order) // BATCH
    trainer = InOrder(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path / "theirs"),
            per_device_train_batch_size=BATCH,
            max_steps=steps,
            learning_rate=RATE,
            lr_scheduler_type="linear",
            warmup_steps=int(0.25 * steps),
            weight_decay=0.1,
            max_grad_norm=0.5,
            adam_epsilon=1e-8,
            logging_strategy="steps",
            logging_steps=steps,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
        ),
        train_dataset=dataset,
        data_collator=pad,
    )
    done = trainer.train()
    theirs = model.state_dict()
    assert load_result(tmp_path / "ours" / task / "vanilla" / result.run_id).training is not None
    assert result.training is not None
    assert result.training.budget.steps == done.global_step == steps == EPOCHS * 6
    moved = max(float((theirs[name] - start[name]).abs().max()) for name in ours)
    apart = max(float((theirs[name] - ours[name]).abs().max()) for name in ours)
    assert moved > 0.02
    assert apart < 1e-4 * moved + 1e-6, (apart, moved)
    assert result.training.curve[-1].loss == pytest.approx(done.training_loss, rel=1e-4)


def load_start(result: Any, folder: Path, kind: Any) -> dict[str, torch.Tensor]:
    """The weights that our run began with: the head is initialised from the seed."""
    from xrobust.models.pretrained import load_encoder

    encoder = load_encoder(kind, str(folder), revision=None, seed=result.spec.train.seed)
    return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
