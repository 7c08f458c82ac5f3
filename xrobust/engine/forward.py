"""The model as a method's objective sees it: one forward pass, with or without noise on the input embeddings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from xrobust.contracts import Batch, Output
from xrobust.contracts.example import IGNORED
from xrobust.engine.seeds import DropoutState


class _EmbeddingNoise:
    """Adds an offset to the output of one embedding layer, during the passes that have one.

    The hook sits on the layer that the model itself calls `get_input_embeddings`, so it needs no knowledge of the
    architecture and survives wrapping by PEFT and DDP. The layer lies outside the blocks that gradient checkpointing
    recomputes, so a recomputed block sees the input that it saw first.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.offset: torch.Tensor | None = None
        self._handle = layer.register_forward_hook(self._add)

    def _add(self, layer: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor | None:
        return None if self.offset is None else output + self.offset.to(output.dtype)

    def remove(self) -> None:
        self._handle.remove()


@dataclass
class _Count:
    """A number that a forward shares with those made from it."""

    value: int = 0


class ModelForward:
    """Implements `xrobust.contracts.Forward` for a transformers model with a head.

    The model is called without labels. The loss is cross entropy in float32, summed over the labelled items of the
    micro-batch; label -100 is left out.
    """

    def __init__(
        self,
        module: nn.Module,
        unwrapped: nn.Module,
        *,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """
        Args:
            module: the module to call: `unwrapped`, or a distributed wrapper around it.
            unwrapped: the transformers or PEFT model itself.
            autocast: opens the context that a pass runs in.
        """
        self._module = module
        self._unwrapped = unwrapped
        self._autocast = autocast
        self._shift: torch.Tensor | None = None
        self._dropout: DropoutState | None = None
        self._passes = _Count()
        self._noise = _EmbeddingNoise(unwrapped.get_input_embeddings())  # type: ignore[operator]

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        """Runs one pass. `noise` has `batch.noise_shape()`; at padding and special tokens it has no effect."""
        offset = noise if self._shift is None else self._shift if noise is None else self._shift + noise
        self._noise.offset = None if offset is None else offset * batch.noise_mask
        if self._dropout is not None:
            self._dropout.restore()
        self._passes.value += 1
        try:
            with self._autocast():
                logits = self._module(**batch.inputs).logits
        finally:
            self._noise.offset = None
        logits = logits.float()
        loss = F.cross_entropy(logits.flatten(0, -2), batch.labels.flatten(), reduction="sum", ignore_index=IGNORED)
        return Output(loss, logits)

    @property
    def embedding_dim(self) -> int:
        """Last dimension of the input embedding layer's output."""
        return int(self._unwrapped.get_input_embeddings().weight.shape[-1])  # type: ignore[operator]

    @property
    def passes(self) -> int:
        """Number of passes that this forward and those made from it have run."""
        return self._passes.value

    def shifted(self, offset: torch.Tensor) -> ModelForward:
        """This forward with `offset` added to the noise of every pass."""
        other = copy.copy(self)
        other._shift = offset if self._shift is None else self._shift + offset
        return other

    def one_mask(self) -> ModelForward:
        """This forward with the dropout masks that a pass would draw now, in every pass: where it has one draw for all
        of its passes, that one."""
        other = copy.copy(self)
        if other._dropout is None:
            other._dropout = DropoutState(next(self._unwrapped.parameters()).device)
        return other

    def local(self) -> ModelForward:
        """This forward on the unwrapped module, which exchanges no gradients between processes."""
        other = copy.copy(self)
        other._module = self._unwrapped
        return other

    def close(self) -> None:
        """Removes the hook from the model, for this forward and all that were made from it."""
        self._noise.remove()
