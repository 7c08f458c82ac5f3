"""Models as methods adapt them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from xrobust.contracts import Method, ModelContext
from xrobust.contracts.calling import blamed, calling
from xrobust.engine.memory import is_out_of_memory


def adapted(method: Method, model: nn.Module, context: ModelContext) -> Any:
    """The model as a method's `adapt` changes it. Raises PluginError, with the method's name, where it gives none."""
    with calling(method, "adapt", unless=is_out_of_memory):
        changed = method.adapt(model, context)
    if not isinstance(changed, nn.Module):
        raise blamed(method, "adapt", "", f"it returned {_named(changed)}, not the model")
    if empty := [name for name, tensor in changed.named_parameters() if tensor.is_meta]:
        raise blamed(method, "adapt", "", f"{len(empty)} tensors of its model have no values ({empty[0]})")
    return changed


def require_trained_head(method: Method, model: nn.Module, modules: Iterable[str]) -> None:
    """Raises PluginError where nothing is trained of one of `modules` (`ModelContext.modules_to_save`).

    They are looked for by name anywhere in the model, which a method may have wrapped; a renamed one is not found.
    """
    parameters = list(model.named_parameters())
    for module in sorted(modules):
        flags = [parameter.requires_grad for name, parameter in parameters if f".{module}." in f".{name}"]
        if flags and not any(flags):
            raise blamed(method, "adapt", "", f"it left {module} untrained: train ctx.modules_to_save whole")


def without_values(model: nn.Module) -> nn.Module:
    """A copy of a model whose parameters have shapes and no values: it takes no memory."""
    empty = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    return copy.deepcopy(model, empty)


def require_one_structure(methods: Sequence[Method], first: nn.Module, model: nn.Module, context: ModelContext) -> None:
    """Raises PluginError where the `adapt` of new objects of `methods` makes another structure of `first` than `model`.

    A saved run is loaded so. `first` is the model that they were given, `without_values`, and is changed; where one of
    them needs values nothing is known.
    """
    made: Any = first
    for method in methods:
        try:
            with torch.random.fork_rng(devices=[]):
                made = type(method)(method.params).adapt(made, context)
        except (Exception, SystemExit):
            return
    shapes = [{name: p.shape for name, p in one.named_parameters() if p.requires_grad} for one in (model, made)]
    if other := sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()}):
        problem = f"a second call builds another model ({other[0]}): the trained one could not be loaded"
        raise blamed(methods[-1], "adapt", "", problem)


def require_outputs(method: Method, model: nn.Module, inputs: dict[str, torch.Tensor], outputs: int) -> None:
    """Raises PluginError unless an adapted model takes `inputs` and gives `outputs` numbers for each label."""
    with calling(method, "adapt", "a first pass of its model", unless=is_out_of_memory):
        found = output_width(model, inputs)
        model.get_input_embeddings()  # type: ignore[operator]
    if found != outputs:
        raise blamed(method, "adapt", "", f"its model gives {found} outputs where the task has {outputs}")


def output_width(model: nn.Module, inputs: dict[str, torch.Tensor]) -> int:
    """Last dimension of a model's logits. A pass in evaluation mode, without gradients; the model stays as it is."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            return int(model(**inputs).logits.shape[-1])
    finally:
        for module, training in modes.items():
            module.training = training


def _named(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
