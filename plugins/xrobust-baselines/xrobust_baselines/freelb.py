"""FreeLB: every pass of the ascent trains the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from xrobust.contracts import Batch, Forward, Method, MethodInfo, ModelContext, Objective
from xrobust.contracts.noise import project, steepest

from .relative_lengths import RelativeLengths

if TYPE_CHECKING:
    import torch


class FreeLB(Method):
    """FreeLB (Zhu et al., ICLR 2020, Algorithm 1): free large-batch adversarial training, with K = `steps`.

        min_f sum over (x, y) of 1/K * sum over t < K of L(f(x + delta_t), y)
        delta_0 ~ init_magnitude / sqrt(n * dim) * U(-1, 1)
        delta_{t+1} = project(delta_t + step_size * g_t / ||g_t||_F),  g_t = grad_delta L(f(x + delta_t), y)

    x is the sequence of input embeddings (n tokens of `dim` dimensions). Each of the K passes, at the start and after
    each of K - 1 steps of ascent, counts for the parameters, where `adversarial` trains on the last one alone. Norms
    are those of a whole sentence (Frobenius), and so is the ball of radius `max_norm`. All passes of a step have one
    dropout mask (section 3).

    From the paper: all of the above. From the authors' code: no projection unless a radius is given, none of the
    start, no ascent after the last pass, and the default values, which are those for ALBERT on MNLI. Ours: special
    tokens are left alone and counted in no norm and no length, where theirs leave out padding alone; lengths are
    relative to the embeddings' norm by default; a sentence whose gradient is zero stays where it is. Of a sentence pair
    the pair is the sentence; of multiple choice each choice with its text; of a long sentence each window.

    The K losses reach the engine as one, so that the graphs of K passes are in memory at once, and the gradient of the
    ascent takes K - 1 backward passes of its own, down to the embeddings and not to the parameters: in units of a
    forward pass 4K - 1, where vanilla has 3 and the authors' loop 3K.
    """

    info = MethodInfo(
        name="freelb",
        summary="FreeLB: train on every point of an ascent on noise in a ball around each sentence",
        citation="Zhu et al., ICLR 2020",
    )

    class Params(RelativeLengths):
        steps: int = Field(
            default=3, ge=1, le=100, description="passes of each batch, K, all of which count (--adv-steps)"
        )
        step_size: float = Field(
            default=0.04, gt=0, description="length of a step of ascent, of a whole sentence (--adv-lr)"
        )
        init_magnitude: float = Field(
            default=0.08,
            ge=0,
            description="the start is uniform within +-init_magnitude / sqrt(tokens * dim) in each coordinate; 0: the "
            "embeddings themselves (--adv-init-mag)",
        )
        max_norm: float | None = Field(
            default=None, gt=0, description="radius of the ball, of a whole sentence; null: no ball (--adv-max-norm)"
        )
        one_mask: bool = Field(
            default=True, description="draw dropout once a step, for all K passes; false: anew in every pass"
        )

    params: Params

    def conflict(self, other: Method) -> str | None:
        if other.info.name == "adversarial":
            return "both ascend on the same embeddings, so one would ascend around the other's worst offset: take one"
        if other.info.name == "r_drop" and self.params.one_mask:
            return (
                "freelb has one dropout mask for all passes of a step, and r_drop compares passes with different ones: "
                "--set method.freelb.one_mask=false"
            )
        return None

    def objective(self, inner: Objective, ctx: ModelContext) -> Objective:
        import torch

        params, unit = self.params, self.params.unit(ctx.embedding_norm)

        def ascended(delta: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                sentences = delta.flatten(1) + params.step_size * unit * steepest(gradient.flatten(1), "l2")
                if params.max_norm is not None:
                    sentences = project(sentences, params.max_norm * unit, "l2")
                return sentences.view_as(delta)

        def freelb(forward: Forward, batch: Batch) -> torch.Tensor:
            if params.one_mask:
                forward = forward.one_mask()
            delta = start(batch, params.init_magnitude * unit)
            losses = []
            for left in reversed(range(params.steps)):
                losses.append(inner(forward.shifted(delta.requires_grad_(left > 0)), batch))
                if left:
                    (gradient,) = torch.autograd.grad(losses[-1], delta, retain_graph=True)
                    delta = ascended(delta, gradient)
            return torch.stack(losses).mean()

        return freelb


def start(batch: Batch, magnitude: float) -> torch.Tensor:
    """Offsets (rows, length, dim), uniform within +-magnitude / sqrt(tokens * dim) of the row, 0 where noise never is.

    The length of a row's offset, over all of its tokens, is at most `magnitude` (Algorithm 1).
    """
    import torch

    mask = batch.noise_mask
    cube = torch.rand(batch.noise_shape(), generator=batch.generator, device=batch.generator.device).to(mask.device)
    tokens = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (2 * cube - 1) * mask * (magnitude / (tokens * batch.embedding_dim).sqrt())
