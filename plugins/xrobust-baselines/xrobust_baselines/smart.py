"""SMART: the output should not move when the input does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from xrobust.contracts import IGNORED, Batch, Forward, Method, MethodInfo, ModelContext, Objective
from xrobust.contracts.noise import project

from .recorded_pass import Pass, Recorder
from .relative_lengths import RelativeLengths

if TYPE_CHECKING:
    import torch


class Smart(Method):
    """SMART's smoothness-inducing adversarial regulariser (Jiang et al., ACL 2020, section 3.1):

        min_f sum over (x, y) of L(f(x), y) + weight * max over delta of l(f(x + delta), f(x))
        l(P, Q) = KL(P || Q) + KL(Q || P)

    x is the sequence of input embeddings. The maximum is approached as in Algorithm 1, from delta ~ N(0, noise^2):

        delta <- project(delta + step_size * g / ||g||_inf),  g = grad_delta l(f(x + delta), f(x))

    with the norm of each token, and the ball |delta| <= `epsilon` of each coordinate. f(x) is held while delta is
    looked for; both sides of l have a gradient when the parameters are trained. Of tagging, labelled items count alone.

    From the paper: all of the above, and that one step is taken. From the authors' code (namisan/mt-dnn): the default
    values of noise, step and weight, no projection by default, norms of tokens. It differs from ours: its newest
    version normalises the sum of noise and gradient and not the gradient, so that its offset is 1 in the largest
    coordinate whatever the step; it ascends on a variant of KL; each direction of l has its target detached, which is
    half of this gradient where outputs are close; and each pass draws its own dropout, so that l compares dropout masks
    as well, as R-Drop does (`one_mask=false` here). Special tokens are left alone, lengths are relative to the
    embeddings' norm by default.

    The paper's other half, Bregman proximal point optimisation (section 3.2), needs a copy of the weights and is not
    here; nor is it in the authors' file.

    Around another objective, x is where its last pass was, with that pass's noise and dropout. An optimiser step costs
    `steps` + 2 forward passes and as many backward, of which `steps` do not reach the parameters. In bf16 and fp16 an
    offset of 1e-5 is lost in rounding, and the direction with it: give `noise` about 1e-2 there.
    """

    info = MethodInfo(
        name="smart",
        summary="SMART: the output should not move under the worst small noise on the input embeddings",
        citation="Jiang et al., ACL 2020",
    )

    class Params(RelativeLengths):
        weight: float = Field(default=1.0, ge=0, description="weight of the divergence (lambda_s; --adv_alpha)")
        steps: int = Field(default=1, ge=1, le=100, description="steps of gradient ascent (--adv_k)")
        step_size: float = Field(
            default=1e-3, gt=0, description="length of a step, in each token's largest coordinate (--adv_step_size)"
        )
        noise: float = Field(
            default=1e-5, gt=0, description="standard deviation of the start in each coordinate (--adv_noise_var)"
        )
        epsilon: float | None = Field(
            default=None, gt=0, description="largest offset of a coordinate; null: no ball, as in the authors' code"
        )
        one_mask: bool = Field(
            default=True,
            description="compare passes with the same dropout; false: each draws its own, as in the authors' code",
        )

    params: Params

    def objective(self, inner: Objective, ctx: ModelContext) -> Objective:
        import torch

        params, unit = self.params, self.params.unit(ctx.embedding_norm)

        def start(batch: Batch) -> torch.Tensor:
            normal = torch.randn(batch.noise_shape(), generator=batch.generator, device=batch.generator.device)
            return normal.to(batch.noise_mask.device) * (params.noise * unit)

        def worst(clean: Pass, batch: Batch) -> torch.Tensor:
            held, delta = clean.logits.detach(), start(batch)
            for _ in range(params.steps):
                delta.requires_grad_()
                logits = clean.forward.local().shifted(delta)(batch, clean.noise).logits
                (gradient,) = torch.autograd.grad(symmetric_kl(logits, held, batch.labels), delta)
                with torch.no_grad():
                    delta = delta + params.step_size * unit * by_largest_coordinate(gradient)
                    if params.epsilon is not None:
                        delta = project(delta, params.epsilon * unit, "linf")
            return delta

        def smart(forward: Forward, batch: Batch) -> torch.Tensor:
            recorder = Recorder(forward, keep_mask=params.one_mask)
            loss = inner(recorder, batch)
            clean = recorder.last()
            perturbed = clean.forward.shifted(worst(clean, batch))(batch, clean.noise)
            return loss + params.weight * symmetric_kl(perturbed.logits, clean.logits, batch.labels)

        return smart


def by_largest_coordinate(gradient: torch.Tensor) -> torch.Tensor:
    """`gradient` (..., dim), each token's divided by its largest absolute coordinate; 0 where all are 0."""
    largest = gradient.abs().amax(dim=-1, keepdim=True)
    return gradient / largest.where(largest > 0, 1)


def symmetric_kl(p: torch.Tensor, q: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """KL(P || Q) + KL(Q || P) of two sets of logits (..., labels), summed over the labelled items."""
    log_p, log_q = p.log_softmax(dim=-1), q.log_softmax(dim=-1)
    divergence = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1)
    return divergence[labels != IGNORED].sum()
