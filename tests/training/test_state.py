"""What a training counts: optimiser steps, examples, word pieces; also where an older checkpoint did not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, run
from xrobust.data.sources import open_source
from xrobust.data.splits import load_split
from xrobust.models.pretrained import load_encoder
from xrobust.plan import load_plugins
from xrobust.training.state import TrainerState


def progress(output: Path, step: int) -> dict[str, Any]:
    """The state that a checkpoint holds."""
    (file,) = output.rglob(f"step-{step:08d}/progress.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize(("task", "micro_batch_size"), [("pos", None), ("pawsx", 3)])
def test_an_epoch_counts_each_word_piece_once(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, task: str, micro_batch_size: int | None
) -> None:
    """Sentences longer than eight pieces are several model inputs, each with its special tokens."""
    spec = RunSpec(
        task=task,
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("de",),
        training={"batch_size": 10, "max_steps": 11, "max_length": 8},
        micro_batch_size=micro_batch_size,
        checkpoint_steps=5,
        keep_checkpoints="all",
    )
    result = run(spec)
    _, plugin, _, language = load_plugins(spec)
    examples, _ = load_split(plugin, open_source(tiny_data, True), "train", language, None)
    tokenizer = load_encoder(plugin.kind, str(tiny_model), revision=None, seed=0).tokenizer
    encoded = plugin.kind.encode(examples, tokenizer, 8)
    assert len(examples) == 48 and (len(encoded) > 48) == (task == "pos")
    for epochs in (1, 2):
        found = progress(tmp_path, 5 * epochs)
        assert found["tokens"] == epochs * len(encoded.input_ids)
        assert (found["step"], found["examples"]) == (5 * epochs, 48 * epochs)
    assert result.training is not None and result.training.budget.examples == 2 * 48 + 10


def test_an_older_checkpoint_leaves_the_word_pieces_unknown() -> None:
    state = TrainerState(step=3, examples=24, tokens=300, processed_tokens=600)
    assert TrainerState.from_checkpoint(asdict(state)) == state
    old = asdict(state)
    del old["tokens"], old["processed_tokens"]
    resumed = TrainerState.from_checkpoint(old)
    counts = (resumed.tokens, resumed.processed_tokens)
    assert counts == (None, None), "zero would be a number of the second part alone"
    resumed.count(examples=8, tokens=100, processed=200)
    assert (resumed.step, resumed.examples, resumed.tokens, resumed.processed_tokens) == (4, 32, None, None)
    assert TrainerState.from_checkpoint(asdict(resumed)) == resumed
    fresh = TrainerState()
    fresh.count(examples=8, tokens=100, processed=200)
    assert (fresh.step, fresh.examples, fresh.tokens, fresh.processed_tokens) == (1, 8, 100, 200)


THREE_PASSES = """
import torch
from xrobust.contracts import Method, MethodInfo


class Thrice(Method):
    info = MethodInfo("thrice", "three passes of each batch", supervision="source", citation="")

    def objective(self, base, context):
        def loss(forward, batch):
            still = torch.zeros(batch.noise_shape(), device=batch.labels.device)
            return base(forward, batch) + base(forward.shifted(still), batch) + forward.local()(batch).loss
        return loss
"""


@pytest.mark.parametrize(("task", "micro_batch_size"), [("pos", None), ("pawsx", 3)])
@pytest.mark.parametrize(("method", "passes"), [("vanilla", 1), ("thrice", 3)])
def test_processed_word_pieces_are_those_of_all_passes(
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: Path,
    task: str,
    micro_batch_size: int | None,
    method: str,
    passes: int,
) -> None:
    plugin = tmp_path / "thrice.py"
    plugin.write_text(THREE_PASSES)
    spec = RunSpec(
        task=task,
        method=method,
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("de",),
        training={"batch_size": 10, "max_steps": 7},
        micro_batch_size=micro_batch_size,
        checkpoint_steps=4,
        keep_checkpoints="all",
        plugins=(plugin,) if method == "thrice" else (),
    )
    result = run(spec)
    assert result.training is not None and result.training.budget.tokens
    assert result.training.budget.processed_tokens == passes * result.training.budget.tokens
    halfway = progress(tmp_path, 4)
    assert halfway["processed_tokens"] == passes * halfway["tokens"] > 0
