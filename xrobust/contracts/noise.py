"""Balls in embedding space: the geometry that noise methods share. Offsets have shape (rows, length, dim).

A ball is per token: ||delta_i|| <= epsilon for every token i (Huang et al., EMNLP 2021, the bound of their ADV
objective). Importing this module does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from xrobust.contracts import Parameters

if TYPE_CHECKING:
    import torch

Norm = Literal["l2", "linf"]


class BallShape(Parameters):
    """The norm of balls, and the unit of their radii."""

    relative: bool = Field(
        default=True,
        description="radius in units of the mean L2 norm of the pre-trained input embeddings of tokens that occur (in "
        "the source dev set), so that it means the same for every model; false: in the model's own units",
    )
    norm: Norm = Field(default="l2", description="norm of the ball: l2 or linf")

    def unit(self, embedding_norm: float) -> float:
        """The unit of a radius, in the model's own units."""
        return embedding_norm if self.relative else 1.0


class BallParams(BallShape):
    """The parameters of a ball, to inherit from in a method's `Params`."""

    epsilon: float = Field(gt=0, description="radius of the ball around each token's input embedding")

    def radius(self, embedding_norm: float) -> float:
        """The radius in the model's own units."""
        return self.epsilon * self.unit(embedding_norm)


def project(offset: torch.Tensor, radius: float, norm: Norm) -> torch.Tensor:
    """The nearest point of the ball to `offset` (..., dim), token by token, in the Euclidean sense."""
    if norm == "linf":
        return offset.clamp(-radius, radius)
    length = offset.norm(dim=-1, keepdim=True)
    return offset * (radius / length.clamp(min=radius))


def steepest(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The direction of length 1 in `norm` that raises a function fastest, given its gradient (..., dim).

    l2: g / ||g||; linf: sign(g). A token whose gradient is zero stays where it is.
    """
    if norm == "linf":
        return gradient.sign()
    length = gradient.norm(dim=-1, keepdim=True)
    return gradient / length.where(length > 0, 1)


def uniform_in_ball(
    shape: tuple[int, ...], radius: float, norm: Norm, *, generator: torch.Generator, device: torch.device | str
) -> torch.Tensor:
    """Offsets of `shape` (..., dim), each token's drawn uniformly from the ball.

    l2: the direction of a normal draw, times radius * u^(1/dim) with u uniform in [0, 1] (Muller, 1959).
    """
    import torch

    if norm == "linf":
        cube = torch.rand(shape, generator=generator, device=generator.device).to(device)
        return (2 * cube - 1) * radius
    normal = torch.randn(shape, generator=generator, device=generator.device).to(device)
    u = torch.rand((*shape[:-1], 1), generator=generator, device=generator.device).to(device)
    return steepest(normal, "l2") * (radius * u ** (1 / shape[-1]))


def gaussian(
    shape: tuple[int, ...], radius: float, norm: Norm, *, generator: torch.Generator, device: torch.device | str
) -> torch.Tensor:
    """Offsets of `shape` (..., dim), normal with mean 0, in the scale of the ball.

    l2: standard deviation radius / sqrt(dim), so that a token's offset has a root mean square length of `radius`
    (nearly all of the mass lies there in high dimensions). linf: standard deviation `radius` in every coordinate.
    """
    import torch

    deviation = radius if norm == "linf" else radius / shape[-1] ** 0.5
    return torch.randn(shape, generator=generator, device=generator.device).to(device) * deviation
