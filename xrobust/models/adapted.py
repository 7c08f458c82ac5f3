"""Models as methods adapt them."""

from __future__ import annotations

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
    return changed


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
