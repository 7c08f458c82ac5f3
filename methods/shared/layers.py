"""Finds the attention and feed-forward outputs of an encoder's layers without knowing its architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xrobust.errors import UserError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Layer:
    """One transformer layer, by the two projections whose outputs are added to its residual connections."""

    name: str
    module: nn.Module
    attention: str
    """Qualified name of the Linear that attention ends with: hidden -> hidden."""
    feed_forward: str
    """Qualified name of the Linear that the feed-forward network ends with: intermediate -> hidden."""


def find_layers(model: Any) -> list[Layer]:
    """Finds the layers of a transformers encoder: the elements of its ModuleLists that are built like one.

    Raises UserError where there are none.
    """
    from torch import nn

    candidates: dict[str, Layer] = {}
    for list_name, modules in model.named_modules():
        if not isinstance(modules, nn.ModuleList):
            continue
        for key, module in modules.named_children():
            if layer := _layer(f"{list_name}.{key}", module, model.config.hidden_size):
                candidates[layer.name] = layer
    # A group of layers looks like a layer from outside: the innermost are meant.
    layers = [a for a in candidates.values() if not any(b.startswith(f"{a.name}.") for b in candidates)]
    if not layers:
        raise UserError(
            f"the layers of {type(model).__name__} are not built as attention followed by a feed-forward network: "
            "adapter cannot tell where to go; lora can be used"
        )
    return layers


def _layer(name: str, module: nn.Module, hidden: int) -> Layer | None:
    """The layer that `module` is, going by the sizes of its Linear modules in order; None if it is none."""
    from torch import nn

    linears = [(key, m) for key, m in module.named_modules() if isinstance(m, nn.Linear)]
    last = max((i for i, (_, m) in enumerate(linears) if m.out_features == hidden), default=-1)
    if last < 1 or linears[last][1].in_features == hidden:
        return None
    # The one just before is the feed-forward network's first projection, whatever its size.
    square = [key for key, m in linears[: last - 1] if m.in_features == m.out_features == hidden]
    if not square:
        return None
    return Layer(name, module, f"{name}.{square[-1]}", f"{name}.{linears[last][0]}")
