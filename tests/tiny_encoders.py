"""Tiny encoders of five architectures, saved as masked language models with a tokenizer, as a base model is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xrobust.contracts import Batch, Recipe, Task, TaskInfo
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification

ARCHITECTURES = ("bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
HIDDEN = 16
POSITIONS = 40

_folder = tempfile.TemporaryDirectory(prefix="tiny-encoders-")


class TinySequenceTask(Task):
    info = TaskInfo(name="tiny_sequence", summary="", languages=("en",), license="", citation="")
    kind = SequenceClassification(("no", "maybe", "yes"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-2, select_every=None)
    columns = ("text", "text_pair", "label")


class TinyTokenTask(Task):
    info = TaskInfo(name="tiny_token", summary="", languages=("en",), license="", citation="")
    kind = TokenClassification(("O", "X", "Y"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-2, select_every=None)
    columns = ("tokens", "tags")


class TinyChoiceTask(Task):
    info = TaskInfo(name="tiny_choice", summary="", languages=("en",), license="", citation="")
    kind = MultipleChoice(("A", "B"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-2, select_every=None)
    columns = ("text", "choices", "label")


EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "tiny_sequence": [
        {"id": "0", "text": "a quick fox", "text_pair": "jumps", "label": "yes"},
        {"id": "1", "text": "over the lazy dog again", "text_pair": "and again", "label": "no"},
        {"id": "2", "text": "why", "text_pair": "not", "label": "maybe"},
    ],
    "tiny_token": [
        {"id": "0", "tokens": ["a", "quick", "fox"], "tags": ["O", "X", "Y"]},
        {"id": "1", "tokens": ["over", "the", "lazy", "dog"], "tags": ["Y", "O", "O", "X"]},
        {"id": "2", "tokens": ["why"], "tags": ["X"]},
    ],
    "tiny_choice": [
        {"id": "0", "text": "a quick fox", "choices": ["runs", "is blue"], "label": "A"},
        {"id": "1", "text": "the dog", "choices": ["b", "sleeps all day"], "label": "B"},
    ],
}


def config(architecture: str, vocab_size: int) -> Any:
    """Two layers of 16 dimensions. Dropout is on: the same in two passes only under the same seed."""
    common = {
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": POSITIONS,
        # Embeddings as large as those of trained models; with 0.02 every input would look alike.
        "initializer_range": 0.3,
    }
    if architecture == "bert":
        return transformers.BertConfig(**common)
    if architecture == "xlm-roberta":
        return transformers.XLMRobertaConfig(**common, type_vocab_size=1, pad_token_id=1, bos_token_id=0)
    if architecture == "distilbert":
        return transformers.DistilBertConfig(
            vocab_size=vocab_size,
            dim=HIDDEN,
            n_layers=2,
            n_heads=2,
            hidden_dim=24,
            max_position_embeddings=POSITIONS,
            initializer_range=0.3,
        )
    if architecture == "deberta-v2":
        return transformers.DebertaV2Config(
            **common,
            relative_attention=True,
            pos_att_type=["c2p", "p2c"],
            position_biased_input=False,
            max_relative_positions=20,
            type_vocab_size=0,
        )
    assert architecture == "modernbert"
    return transformers.ModernBertConfig(
        **common, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, mlp_dropout=0.1
    )


def tokenizer(architecture: str) -> Any:
    """WordPiece, Unigram or byte-level BPE over single letters, as the architecture has it."""
    if architecture == "xlm-roberta":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        bos, pad, eos, unk, mask = special
    else:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pad, unk, bos, eos, mask = special
    if architecture in ("bert", "distilbert"):
        pieces = [*special, *LETTERS, *(f"##{c}" for c in LETTERS)]
        backend = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token=unk))
        backend.normalizer = normalizers.BertNormalizer(lowercase=False)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
    elif architecture == "modernbert":
        pieces = [*special, *LETTERS, "Ġ"]
        merges = [("Ġ", c) for c in LETTERS]
        pieces += [a + b for a, b in merges]
        backend = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges, unk_token=unk))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
    else:
        pieces = [*special, "▁", *LETTERS, *(f"▁{c}" for c in LETTERS)]
        scores = [(p, 0.0 if p in special else -float(3 - len(p))) for p in pieces]
        backend = Tokenizer(models.Unigram(scores, unk_id=special.index(unk)))
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        backend.decoder = decoders.Metaspace()
    ids = [(bos, special.index(bos)), (eos, special.index(eos))]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", pair=f"{bos} $A {eos} $B:1 {eos}:1", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=unk,
        pad_token=pad,
        cls_token=bos,
        sep_token=eos,
        mask_token=mask,
        model_max_length=POSITIONS,
        # Token types for all, as many tokenizers on the hub have them: some of these models take none.
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@cache
def checkpoint(architecture: str) -> Path:
    """The folder of a base model with random weights, the same in every test session."""
    folder = Path(_folder.name) / architecture
    pieces = tokenizer(architecture)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.AutoModelForMaskedLM.from_config(config(architecture, len(pieces)))
    transformers.utils.logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        transformers.utils.logging.enable_progress_bar()
    pieces.save_pretrained(folder)
    return folder


def batch(task: Task, tokenizer: Any, examples: Iterable[Any] | None = None) -> Batch:
    """Examples, the task's tiny ones by default, as one micro-batch."""
    encoded = task.kind.encode(EXAMPLES[task.info.name] if examples is None else examples, tokenizer, POSITIONS - 2)
    arrays = encoded.collate(range(len(encoded)), tokenizer.pad_token_id)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Batch(
        labels=tensors.pop("labels"),
        noise_mask=tensors.pop("noise_mask").float().unsqueeze(-1),
        inputs=tensors,
        generator=torch.Generator().manual_seed(0),
        embedding_dim=HIDDEN,
    )
