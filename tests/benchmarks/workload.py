"""What is timed: real examples of a task, and an encoder."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xrobust.contracts import Example, Task
from xrobust.contracts.encoded import Encoded
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import evaluation_languages, load_split
from xrobust.models.pretrained import load_encoder
from xrobust.registry.plugins import Plugins

TASKS = ("xnli", "pawsx", "wikiann", "pos")
MAX_LENGTH = 128


@dataclass(frozen=True)
class Workload:
    """Examples of one task as one encoder's tokenizer splits them."""

    task: Task
    model: str
    """Folder of the encoder."""
    tokenizer: Any
    source: Any

    def encoded(self, split: str, language: str, limit: int | None) -> tuple[list[Example], Encoded]:
        """The first `limit` examples of a split that fit into one sequence, and what the model is given of each."""
        examples = [*load_split(self.task, self.source, split, language, limit)[0]]
        encoded = self.task.kind.encode(examples, self.tokenizer, MAX_LENGTH)
        once = np.bincount(encoded.example, minlength=len(examples)) == 1
        if not once.all():  # a sentence in two windows is two rows to a Trainer: the comparison does without
            examples = [example for example, whole in zip(examples, once, strict=True) if whole]
            encoded = self.task.kind.encode(examples, self.tokenizer, MAX_LENGTH)
        return examples, encoded

    def languages(self) -> tuple[str, ...]:
        """All that there is test data of."""
        return tuple(evaluation_languages(self.task, self.source, None))

    def fresh_model(self, device: torch.device | str, seed: int = 0) -> Any:
        """The encoder with a new head, in float32, without dropout left out."""
        return load_encoder(self.task.kind, self.model, revision=None, seed=seed, offline=True).model.to(device)


def workload(task: str, model: str, data: str | Path) -> Workload:
    """The workload of a task and an encoder. Raises UserError where one is not there."""
    found = Plugins([]).load("tasks", task)()
    encoder = load_encoder(found.kind, model, revision=None, seed=0, offline=True)
    folder = data_folder(Path(data) if Path(data).is_dir() else str(data))
    return Workload(found, model, encoder.tokenizer, open_source(folder, True))


@cache
def mbert_shape(vocabulary: str) -> str:
    """A folder with a BERT of the shape of bert-base-multilingual-cased, randomly initialised, with its vocabulary.

    `vocabulary` is the path of vocab.txt. The folder is deleted when the process ends.
    """
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    kept = tempfile.TemporaryDirectory(prefix="mbert-shape-")
    _folders.append(kept)
    tokenizer = BertTokenizerFast(vocabulary, do_lower_case=False)
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer))).save_pretrained(kept.name)
    tokenizer.save_pretrained(kept.name)
    return kept.name


_folders: list[tempfile.TemporaryDirectory[str]] = []


def training_flops(model: Any, pieces: int, sequences: int) -> float:
    """Floating-point operations that `pieces` real word pieces need in training, padding not counted.

    Two a weight of every linear layer forward, four backward (Kaplan et al., 2020, section 2.1), and the products of
    attention, taken at the mean length: queries with keys, and weights with values, in every layer.
    """
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    config = model.config
    attention = 2 * 2 * config.num_hidden_layers * config.hidden_size * (pieces / sequences)
    return 3.0 * pieces * (2 * weights + attention)


def matmul_flops(device: str, dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """Floating-point operations a second that a large matrix product reaches here: the best of ten."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best
