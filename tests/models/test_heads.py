"""Checkpoints that come with a head: mapped to the task's labels by name, or replaced, and said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tiny_encoders import ARCHITECTURES, TinyChoiceTask, TinySequenceTask, TinyTokenTask, batch, checkpoint

from xrobust.contracts import Method, ModelContext, Task
from xrobust.engine.forward import ModelForward
from xrobust.errors import UserError
from xrobust.kinds import SequenceClassification
from xrobust.models.pretrained import Encoder, load_encoder
from xrobust.models.trained import load_trained, save_model
from xrobust_methods.adapter import Adapter
from xrobust_methods.lora import Lora
from xrobust_methods.peft_any import PeftAny
from xrobust_methods.vanilla import Vanilla

TASKS = (TinySequenceTask, TinyTokenTask, TinyChoiceTask)
METHODS: dict[str, Callable[[], Method]] = {
    "vanilla": lambda: Vanilla(Vanilla.Params()),
    "lora": lambda: Lora(Lora.Params(rank=2, dropout=0)),
    "adapter": lambda: Adapter(Adapter.Params(reduction=4)),
    "peft": lambda: PeftAny(PeftAny.Params(type="IA3")),
}
SEED = 3
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
every_task = pytest.mark.parametrize("task_class", TASKS)


def load(folder: Path, task: Task | type[Task], seed: int = SEED) -> Encoder:
    return load_encoder(task.kind, str(folder), revision=None, seed=seed)


def logits(model: Any, b: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**b.inputs).logits
    return found


def train(base: Path, task: Task, method: Method) -> tuple[Any, Any, Encoder]:
    """(model, tokenizer, the encoder that it began as) after two steps that move everything that is trained."""
    encoder = load(base, task)
    model = method.adapt(encoder.model, ModelContext(task, SEED, encoder.modules_to_save, encoder.embedding_norm()))
    forward = ModelForward(model.train(), model, autocast=nullcontext)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    b = batch(task, encoder.tokenizer)
    torch.manual_seed(0)
    for _ in range(2):
        forward(b).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    forward.close()
    return model, encoder.tokenizer, encoder


@cache
def tuned(architecture: str, task_class: type[Task]) -> Path:
    """A checkpoint that was tuned on the task, beside the base model that it came from."""
    folder = checkpoint(architecture).with_name(f"{architecture}-{task_class.info.name}")
    model, pieces, _ = train(checkpoint(architecture), task_class(), METHODS["vanilla"]())
    folder.mkdir()
    save_model(model, pieces, folder)
    return folder


def with_labels(source: Path, folder: Path, labels: Sequence[str], rows: Sequence[int] | None = None) -> Path:
    """A copy of a checkpoint whose head's outputs have these names; row i is the original's row `rows[i]`."""
    shutil.copytree(source, folder)
    edit(folder, id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)})
    if rows is not None:
        stored = load_file(folder / "model.safetensors")
        layer = "classifier.out_proj" if "classifier.out_proj.weight" in stored else "classifier"
        for name in (f"{layer}.weight", f"{layer}.bias"):
            stored[name] = np.ascontiguousarray(stored[name][list(rows)])
        save_file(stored, folder / "model.safetensors", {"format": "pt"})
    return folder


def edit(folder: Path, **changes: Any) -> Path:
    stored = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in stored.items() if v is not None}))
    return folder


def permuted(source: Path, folder: Path, labels: Sequence[str]) -> Path:
    """A copy with its labels in another order; of multiple choice in other names' order, for its head has one row."""
    order = [*range(1, len(labels)), 0]
    one_row = "choice" in source.name
    return with_labels(source, folder, [labels[i] for i in order], None if one_row else order)


# ---------------------------------------------------------------------------------------------------------- mapped


@every_task
@every_architecture
def test_rows_are_mapped_by_name(architecture: str, task_class: type[Task], tmp_path: Path) -> None:
    original = tuned(architecture, task_class)
    labels = task_class.kind.labels
    b = batch(task_class(), load(original, task_class).tokenizer)
    plain = getattr(transformers, task_class.kind.auto_class).from_pretrained(original)
    first = load(original, task_class)
    assert first.head.state == "mapped"
    assert first.head.message.endswith("which is for the labels of this task")
    assert torch.equal(logits(first.model, b), logits(plain, b)), "as transformers alone loads it"

    other = permuted(original, tmp_path / "other", [label.upper() for label in labels])
    mapped = load(other, task_class, seed=SEED + 1)
    assert mapped.head.state == "mapped"
    if task_class is not TinyChoiceTask:
        assert mapped.head.message.endswith("its rows are mapped to the labels of this task by name")
        by_position = getattr(transformers, task_class.kind.auto_class).from_pretrained(other)
        assert not torch.allclose(logits(by_position, b), logits(plain, b))
    assert torch.equal(logits(mapped.model, b), logits(plain, b))
    assert mapped.model.config.id2label == dict(enumerate(labels))
    assert mapped.modules_to_save == first.modules_to_save >= {"classifier"}


@pytest.mark.parametrize("name", METHODS)
@every_task
@every_architecture
def test_a_permuted_copy_becomes_the_same_model(
    name: str, architecture: str, task_class: type[Task], tmp_path: Path
) -> None:
    original = tuned(architecture, task_class)
    other = permuted(original, tmp_path / "other", task_class.kind.labels)
    found = []
    for base in (original, other):
        method = METHODS[name]()
        model, pieces, encoder = train(base, task_class(), method)
        b = batch(task_class(), pieces)
        folder = tmp_path / f"model-{base.name}"
        folder.mkdir()
        save_model(model, pieces, folder)
        again, _ = load_trained(folder, task_class(), str(base), revision=None, seed=SEED + 1, methods=[method])
        assert torch.equal(logits(again, b), logits(model, b))
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        for module in encoder.modules_to_save:
            inside = [n for n, _ in model.named_parameters() if f"{module}." in n and "original_module" not in n]
            assert inside and trained.issuperset(inside)
        found.append(logits(model, b))
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask])
def test_a_head_that_the_checkpoint_had_is_trained_whole_and_not_adapted(task_class: type[Task]) -> None:
    for name in ("lora", "adapter", "peft"):
        encoder = load(tuned("bert", task_class), task_class)
        before = encoder.model.classifier.weight.detach().clone()
        context = ModelContext(task_class(), SEED, encoder.modules_to_save, encoder.embedding_norm())
        model = METHODS[name]().adapt(encoder.model, context)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad and "classifier" in n}
        (weight,) = [p for n, p in trained.items() if n.endswith("weight")]
        assert torch.equal(weight, before), "training begins with the checkpoint's"
        assert not any("lora" in n or "ia3" in n for n in trained)


# ------------------------------------------------------------------------------------------------------------- new


@every_task
@every_architecture
def test_a_head_for_other_labels_is_initialised_as_if_there_were_none(
    architecture: str, task_class: type[Task], tmp_path: Path
) -> None:
    original = tuned(architecture, task_class)
    other = with_labels(original, tmp_path / "other", [f"B-{i}" for i in range(len(task_class.kind.labels))])
    bare = tmp_path / "bare"
    shutil.copytree(original, bare)
    pretrained = load_file(checkpoint(architecture) / "model.safetensors").keys()
    stored = load_file(bare / "model.safetensors")
    kept = {name: tensor for name, tensor in stored.items() if name in pretrained or ".pooler." in name}
    save_file(kept, bare / "model.safetensors", {"format": "pt"})

    found, expected = load(other, task_class), load(bare, task_class)
    assert found.head.state == expected.head.state == "new"
    assert found.head.message == (
        f"the model's head is new: the checkpoint's is for other labels ({', '.join(load_labels(other))})"
    )
    assert expected.head.message.endswith(f"has none for {task_class.kind.name.replace('_', ' ')}")
    assert found.modules_to_save == expected.modules_to_save
    assert found.model.name_or_path == str(other)
    same, another_seed = expected.model.state_dict(), load(other, task_class, seed=SEED + 1).model.state_dict()
    for name, tensor in found.model.state_dict().items():
        assert torch.equal(tensor, same[name]), name
        if name in kept:
            assert np.array_equal(tensor.numpy(), kept[name])
        elif name.endswith("weight") and tensor.dim() > 1:
            assert not np.array_equal(tensor.numpy(), stored[name])
            assert not torch.equal(tensor, another_seed[name])


def load_labels(folder: Path) -> list[str]:
    return list(json.loads((folder / "config.json").read_text())["id2label"].values())


def unnamed(folder: Path) -> Path:
    return edit(folder, id2label=None, label2id=None)


def relabelled(*labels: str) -> Callable[[Path], Path]:
    return lambda folder: edit(folder, id2label=dict(enumerate(labels)), label2id=None)


def headless(folder: Path) -> Path:
    stored = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in stored.items() if k != "classifier.bias"}, folder / "model.safetensors")
    return folder


REASONS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no names": (unnamed, "the checkpoint's does not name its labels"),
    "placeholders": (relabelled("LABEL_0", "LABEL_1", "LABEL_2"), "the checkpoint's does not name its labels"),
    "one other": (relabelled("no", "Perhaps", "yes"), "the checkpoint's is for other labels (Perhaps)"),
    "one twice": (relabelled("no", "yes", "Yes"), "the checkpoint's is for other labels"),
    "another kind": (
        lambda folder: edit(folder, architectures=["BertForTokenClassification"]),
        "the checkpoint's is that of BertForTokenClassification",
    ),
    "half of it": (headless, "the checkpoint's lacks classifier.bias, or has it in another shape"),
    "keys from one": (
        lambda folder: edit(folder, id2label={1: "no", 2: "maybe", 3: "yes"}, label2id=None),
        "the checkpoint's does not name its labels",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_the_reason_for_a_new_head_is_said(case: str, tmp_path: Path) -> None:
    change, reason = REASONS[case]
    folder = tmp_path / "model"
    shutil.copytree(tuned("bert", TinySequenceTask), folder)
    head = load(change(folder), TinySequenceTask).head
    assert (head.state, head.message) == ("new", f"the model's head is new: {reason}")


def test_a_head_of_another_size(tmp_path: Path) -> None:
    five = SequenceClassification(("a", "b", "c", "d", "e", "f", "g"))

    class Other(TinySequenceTask):
        kind = five

    encoder = load(tuned("xlm-roberta", TinySequenceTask), Other)
    assert encoder.head.message == "the model's head is new: the checkpoint's is for other labels (no, maybe, yes)"
    assert encoder.model.classifier.out_proj.weight.shape == (7, 16)
    tuned_on = load_file(tuned("xlm-roberta", TinySequenceTask) / "model.safetensors")
    dense = encoder.model.classifier.dense.weight.detach().numpy()
    assert not np.array_equal(dense, tuned_on["classifier.dense.weight"]), "the whole head is new, not its last layer"
    encoder = load(checkpoint("xlm-roberta"), Other)
    assert np.array_equal(dense, encoder.model.classifier.dense.weight.detach().numpy())


# --------------------------------------------------------------------------------------------------- trained models


def test_a_trained_model_whose_task_has_other_labels_by_now(tmp_path: Path) -> None:
    class Changed(TinySequenceTask):
        kind = SequenceClassification(("yes", "maybe", "no"))

    for name in ("vanilla", "adapter"):
        method = METHODS[name]()
        model, pieces, _ = train(checkpoint("bert"), TinySequenceTask(), method)
        (tmp_path / name).mkdir()
        save_model(model, pieces, tmp_path / name)
        options: Mapping[str, Any] = {"revision": None, "seed": SEED, "methods": [method]}
        load_trained(tmp_path / name, TinySequenceTask(), str(checkpoint("bert")), **options)
        with pytest.raises(UserError, match=r"trained on the labels no, maybe, yes, and those of task tiny_sequence"):
            load_trained(tmp_path / name, Changed(), str(checkpoint("bert")), **options)


def test_a_trained_model_that_lacks_weights(tmp_path: Path) -> None:
    for name in METHODS:
        method = METHODS[name]()
        model, pieces, _ = train(checkpoint("bert"), TinySequenceTask(), method)
        folder = tmp_path / name
        folder.mkdir()
        save_model(model, pieces, folder)
        (file,) = folder.glob("*.safetensors")
        stored = load_file(file)
        in_a_layer = sorted(key for key in stored if ".layer.0." in key)[0]
        (of_the_head,) = [key for key in stored if key.endswith("classifier.bias")]
        for lost in (in_a_layer, of_the_head):
            save_file({key: tensor for key, tensor in stored.items() if key != lost}, file, {"format": "pt"})
            with pytest.raises(UserError, match=r"the saved model lacks weights: |1 trained parameters differ in name"):
                base = str(checkpoint("bert"))
                load_trained(folder, TinySequenceTask(), base, revision=None, seed=SEED, methods=[method])
