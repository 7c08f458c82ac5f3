"""Adversarial training on the input embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from xrobust.contracts import Batch, Forward, Method, MethodInfo, ModelContext, Objective
from xrobust.contracts.noise import BallParams, project, steepest, uniform_in_ball

from .shared.tuning import searched

if TYPE_CHECKING:
    import torch


class Adversarial(Method):
    """Adversarial training: min_f sum over (x, y) of max over {||delta_i|| <= epsilon} of L(f(x + delta), y).

    x is the sequence of input embeddings; every token i has a ball of its own. The objective is ADV of Huang et al.
    (EMNLP 2021). The inner maximum is approached by projected gradient ascent (Madry et al., ICLR 2018, section 2.1):

        delta <- project(delta + step_size * steepest(grad_delta L))

    with steepest(g) = g / ||g|| (l2) or sign(g) (linf), token by token; then f takes one ordinary step on the
    perturbed batch. An optimiser step costs `steps` + 1 forward and backward passes.

    Dropout is drawn once a step: the network that is descended on is the one that was ascended on (Zhu et al., FreeLB,
    ICLR 2020, section 3).

    The paper publishes neither norm, radius, steps, step size nor initialisation: all values here are ours, chosen by
    the rise of the loss and on an English dev set (docs/methods.md). A worst offset raises the loss as much as a random
    one of 60 to 300 times its length.
    """

    info = MethodInfo(
        name="adversarial",
        summary="train on the worst noise in a ball around each input embedding (projected gradient ascent)",
        citation="Huang et al., EMNLP 2021; Madry et al., ICLR 2018",
        tuning=searched(epsilon=(0.003, 0.01, 0.03), rate=(5e-4, 1e-3)),
    )

    class Params(BallParams):
        epsilon: float = Field(default=0.01, gt=0, description="radius of the ball around each token's input embedding")
        steps: int = Field(default=1, ge=1, le=100, description="steps of gradient ascent")
        step_size: float | None = Field(
            default=None,
            gt=0,
            description="length of a step, in the unit of epsilon; null: 2.5 * epsilon / steps, with which the border "
            "can be reached from any start",
        )
        one_mask: bool = Field(
            default=True,
            description="draw dropout once a step, for the ascent and the descent alike; false: anew in every pass",
        )
        init: Literal["zero", "uniform"] = Field(
            default="zero", description="where the ascent starts: at the embedding itself, or anywhere in the ball"
        )

    params: Params

    def objective(self, inner: Objective, ctx: ModelContext) -> Objective:
        import torch

        params = self.params
        radius = params.radius(ctx.embedding_norm)
        step = radius * (2.5 / params.steps if params.step_size is None else params.step_size / params.epsilon)

        def start(batch: Batch) -> torch.Tensor:
            if params.init == "zero":
                return torch.zeros(batch.noise_shape(), device=batch.noise_mask.device)
            return uniform_in_ball(
                batch.noise_shape(), radius, params.norm, generator=batch.generator, device=batch.noise_mask.device
            )

        def worst_case(forward: Forward, batch: Batch) -> torch.Tensor:
            if params.one_mask:
                forward = forward.one_mask()
            delta = start(batch)
            for _ in range(params.steps):
                delta.requires_grad_()
                loss = inner(forward.local().shifted(delta), batch)
                (gradient,) = torch.autograd.grad(loss, delta)
                with torch.no_grad():
                    delta = project(delta + step * steepest(gradient, params.norm), radius, params.norm)
            return inner(forward.shifted(delta), batch)

        return worst_case
