"""Balls in embedding space: the geometry that noise methods share. Offsets have shape (rows, length, dim).

A ball is per token: ||delta_i|| <= epsilon for every token i (Huang et al., EMNLP 2021, the bound of their ADV
objective). Importing this module does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from xrobust.contracts.method import Batch, Params

if TYPE_CHECKING:
    import torch

Norm = Literal["l2", "linf"]


class BallParams(Params):
    """The parameters of a ball, to inherit from in a method's `Params`."""

    epsilon: float = Field(gt=0, description="radius of the ball around each token's input embedding")
    relative: bool = Field(
        default=True,
        description="radius in units of the mean L2 norm of the pre-trained input embeddings, so that it means the "
        "same for every model; false: in the model's own units",
    )
    norm: Norm = Field(default="l2", description="norm of the ball: l2 or linf")

    def radius(self, embedding_norm: float) -> float:
        """The radius in the model's own units."""
        return self.epsilon * embedding_norm if self.relative else self.epsilon
