"""Parameters that decay: those that transformers' Trainer lets decay, and of IA3 none."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from tiny_encoders import ARCHITECTURES, TinyChoiceTask, TinySequenceTask, TinyTokenTask, checkpoint

from xrobust.contracts import ModelContext, Task
from xrobust.models.pretrained import load_encoder
from xrobust.training.schedule import parameter_groups
from xrobust_methods.peft_any import PeftAny


def decaying(model: Any) -> set[str]:
    """Names of the parameters in a group with weight decay."""
    groups = parameter_groups(model, 0.1)
    assert sum(len(group["params"]) for group in groups) == sum(p.requires_grad for p in model.parameters())
    found = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in found}


@pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask, TinyChoiceTask])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_whole_model_decays_as_in_trainer(architecture: str, task_class: type[Task]) -> None:
    """One row does not make a vector of a Linear with one output, nor of the table of a single token type."""
    model = load_encoder(task_class.kind, str(checkpoint(architecture)), revision=None, seed=0).model
    names = transformers.Trainer.get_decay_parameter_names(None, model)
    assert decaying(model) == set(names)


def test_vectors_of_ia3_do_not_decay() -> None:
    """They multiply activations: at 0 nothing would pass."""
    encoder = load_encoder(TinySequenceTask.kind, str(checkpoint("bert")), revision=None, seed=0)
    context = ModelContext(TinySequenceTask(), 0, encoder.modules_to_save, encoder.embedding_norm())
    model = PeftAny(PeftAny.Params(type="IA3")).adapt(encoder.model, context)
    vectors = {name: p for name, p in model.named_parameters() if "ia3_l" in name}
    assert vectors and all(p.ndim == 2 and p.requires_grad for p in vectors.values())
    found = decaying(model)
    assert found and not found & vectors.keys()
    assert {name.rpartition("modules_to_save.")[0].split(".")[-2] for name in found} == {"classifier", "pooler"}
