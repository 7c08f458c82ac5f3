"""Heads that checkpoints come with: found, compared with a task by label names, their rows brought into its order."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers
from torch import nn

from xrobust.contracts import Kind
from xrobust.engine.modules import is_below

NAMED = 5
"""Labels of a checkpoint's head that a message names at most."""
PLACEHOLDER = re.compile(r"LABEL_\d+")
"""Name that transformers gives to a label without one."""


@dataclass(frozen=True)
class Head:
    """Origin of a loaded encoder's head."""

    state: Literal["new", "mapped"]
    """`mapped`: the checkpoint's, with its rows in the order of the task's labels; `new`: initialised from the seed."""
    message: str
    """The state and the reason for it, in one line."""


def head_modules(model: Any, new: Collection[str]) -> list[str]:
    """Names of the head's modules: the children of a task's model with parameters, but for the encoder itself.

    `new` are the parameters that the checkpoint had no weights for. A child that the architecture's masked language
    model has too is no part of the head: ModernBERT's `head`, for instance, is pre-trained.
    """
    if model.base_model is model:
        return []
    children = {
        name: {f"{name}.{key}" for key, _ in child.named_parameters()}
        for name, child in model.named_children()
        if child is not model.base_model
    }
    names = [name for name, parameters in children.items() if parameters]
    if all(children[name] <= set(new) for name in names):
        return names
    with torch.device("meta"):
        pretrained = (
            transformers.AutoModelForMaskedLM.from_config(model.config, trust_remote_code=False).state_dict().keys()
        )
    return [name for name in names if not children[name] <= pretrained]


def stored_labels(stored: Mapping[str, Any]) -> list[str]:
    """The labels that a config.json names, in the order of the head's outputs; empty where it names none."""
    names = stored.get("id2label")
    if not isinstance(names, Mapping) or {str(key) for key in names} != {str(i) for i in range(len(names))}:
        return []
    return [str(names[key]) for key in sorted(names, key=int)]


def row_order(stored: Sequence[str], labels: Sequence[str]) -> list[int] | None:
    """The index in `stored` of each of `labels`; None unless these are the same names, case and order aside."""
    named, wanted = list(stored), list(labels)
    if sorted(named) != sorted(wanted):
        named, wanted = [name.casefold() for name in named], [label.casefold() for label in wanted]
    if sorted(named) != sorted(wanted) or len(set(wanted)) < len(wanted):
        return None
    return [named.index(label) for label in wanted]


def obstacle(kind: Kind, stored: Mapping[str, Any], lacking: Collection[str]) -> str | None:
    """Reason that a checkpoint's head is not used for `kind`, or None.

    `stored` is its config.json; `lacking` are parameters of the head that it does not have, or has in another shape.
    """
    architectures = [str(name) for name in stored.get("architectures") or []]
    if architectures and not any(name.endswith(kind.auto_class.removeprefix("AutoModel")) for name in architectures):
        return f"the checkpoint's is that of {architectures[0]}"
    named = stored_labels(stored)
    order = row_order(named, kind.labels)
    if order is None:
        return _other_labels(named, kind.labels)
    if order != sorted(order) and kind.num_outputs not in (1, len(order)):
        return "the checkpoint's has the labels in another order"
    return f"the checkpoint's lacks {min(lacking)}, or has it in another shape" if lacking else None


def _other_labels(named: Sequence[str], labels: Sequence[str]) -> str:
    """Statement that the labels of a checkpoint's head are not the task's, naming some that differ."""
    if all(map(PLACEHOLDER.fullmatch, named)):
        return "the checkpoint's does not name its labels"
    own = {label.casefold() for label in labels}
    others = [name for name in named if name.casefold() not in own]
    shown = ", ".join([*others[:NAMED], *(["..."] if len(others) > NAMED else [])])
    return "the checkpoint's is for other labels" + (f" ({shown})" if others else "")


def map_head(kind: Kind, stored: Mapping[str, Any], model: nn.Module, modules: Collection[str]) -> Head:
    """Brings the rows of a checkpoint's head, to which there is no `obstacle`, into the order of the task's labels."""
    order = row_order(stored_labels(stored), kind.labels)
    if order is None or order == sorted(order) or kind.num_outputs == 1:
        return Head("mapped", "the model's head is the checkpoint's, which is for the labels of this task")
    output = _output_layer(model, modules, kind.num_outputs)
    with torch.no_grad():
        for parameter in output.parameters():
            parameter.copy_(parameter[order].clone())
    return Head(
        "mapped", "the model's head is the checkpoint's: its rows are mapped to the labels of this task by name"
    )


def _output_layer(model: nn.Module, modules: Collection[str], outputs: int) -> nn.Linear:
    """The last Linear of a head with so many outputs. Raises ValueError where there is none."""
    linears = [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and is_below(name, modules)]
    for linear in reversed(linears):
        if linear.out_features == outputs:
            return linear
    raise ValueError(f"the head of {type(model).__name__} has no Linear module with {outputs} outputs")
