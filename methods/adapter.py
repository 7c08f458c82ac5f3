"""Bottleneck adapters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from xrobust.contracts import Method, MethodInfo, ModelContext, Task
from xrobust.engine.seeds import seeded_torch
from xrobust.errors import UserError

from .shared.adaptation import rate_times, seed_of, train_only, two_adapt
from .shared.layers import find_layers
from .shared.tuning import searched

ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "tanh": "Tanh"}
RATE = 5.0
"""Learning rate as a multiple of that of full fine-tuning."""


class Adapter(Method):
    """Bottleneck adapters: h <- h + W_up s(W_down h), in every layer, on the output of a sub-layer's last projection,
    before the residual connection is added. The pre-trained weights are frozen.

    placement=houlsby (Houlsby et al., ICML 2019, section 2.1): one after attention and one after the feed-forward
    network; the layers' normalisations are trained too. placement=pfeiffer (Pfeiffer et al., EACL 2021, the
    configuration that their search found): one after the feed-forward network.

    Weights start from a normal distribution with standard deviation 0.001, cut at two, and biases from zero, as in
    Houlsby's released code: the model starts close to the pre-trained one. Ours: the Pfeiffer adapter too sits before
    the residual connection, where the original has it behind; an adapter comes before the sub-layer's dropout; the
    head, and what the checkpoint had no weights for (often a pooler), are always trained; a learning rate 5 times that
    of the task's recipe, unless one is given.

    Works on any encoder of transformers whose layers are attention followed by a feed-forward network: adapters are
    children of the projections, called by a forward hook.
    """

    info = MethodInfo(
        name="adapter",
        summary="bottleneck adapters (Pfeiffer or Houlsby) in a frozen encoder",
        citation="Houlsby et al., ICML 2019; Pfeiffer et al., EACL 2021",
        tuning=searched(rate=(1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2)),
    )

    class Params(Method.Params):
        placement: Literal["pfeiffer", "houlsby"] = Field(
            default="pfeiffer", description="after the feed-forward network, or after attention too"
        )
        reduction: int = Field(default=16, ge=1, description="hidden size divided by the size of the bottleneck")
        activation: Literal["relu", "gelu", "silu", "tanh"] = Field(
            default="relu", description="nonlinearity in the bottleneck"
        )

    params: Params

    def training_defaults(self, task: Task) -> dict[str, Any]:
        return rate_times(RATE, task)

    def conflict(self, other: Method) -> str | None:
        return two_adapt(self, other)

    def adapt(self, model: Any, ctx: ModelContext) -> Any:
        from torch import nn

        params = self.params
        hidden = model.config.hidden_size
        if hidden < params.reduction:
            raise UserError(f"method.adapter.reduction is {params.reduction}, more than the hidden size, {hidden}")
        layers = find_layers(model)
        places = [layer.feed_forward for layer in layers]
        trained = set(ctx.modules_to_save)
        if params.placement == "houlsby":
            places += [layer.attention for layer in layers]
            trained |= {
                f"{layer.name}.{key}"
                for layer in layers
                for key, module in layer.module.named_modules()
                if isinstance(module, nn.LayerNorm)
            }
        train_only(model, trained)
        with seeded_torch(seed_of(ctx.seed, "adapter")):
            for place in places:
                projection = model.get_submodule(place)
                projection.adapter = _bottleneck(hidden, hidden // params.reduction, ACTIVATIONS[params.activation])
                projection.register_forward_hook(_through_adapter)
        return model


def _bottleneck(hidden: int, size: int, activation: str) -> Any:
    """W_up s(W_down h) + b, without the residual connection."""
    from torch import nn

    down, up = nn.Linear(hidden, size), nn.Linear(size, hidden)
    for linear in (down, up):
        nn.init.trunc_normal_(linear.weight, std=0.001, a=-0.002, b=0.002)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(down, getattr(nn, activation)(), up)


def _through_adapter(projection: Any, args: Any, output: Any) -> Any:
    return output + projection.adapter(output)
