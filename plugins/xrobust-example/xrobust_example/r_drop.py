"""R-Drop: two passes with different dropout should agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from xrobust.contracts import IGNORED, Batch, Forward, Method, MethodInfo, ModelContext, Objective, Output

if TYPE_CHECKING:
    import torch


class RDrop(Method):
    """R-Drop (Liang et al., NeurIPS 2021, section 2.1), for an example x with label y and two passes P1, P2:

        L = - log P1(y|x) - log P2(y|x) + alpha / 2 * (KL(P1 || P2) + KL(P2 || P1))

    Each pass has its own dropout. Around another objective, that objective is evaluated twice in place of the two log
    likelihoods, and P1, P2 are the last passes it makes.
    """

    info = MethodInfo(
        name="r_drop",
        summary="R-Drop: two passes with different dropout should agree",
        citation="liang-etal-2021-rdrop",
    )

    class Params(Method.Params):
        alpha: float = Field(default=1.0, ge=0, description="weight of the divergence between the two passes")

    def objective(self, inner: Objective, ctx: ModelContext) -> Objective:
        def r_drop(forward: Forward, batch: Batch) -> torch.Tensor:
            first, second = Recorder(forward), Recorder(forward)
            loss = inner(first, batch) + inner(second, batch)
            return loss + self.params.alpha / 2 * symmetric_kl(first.logits(), second.logits(), batch.labels)

        return r_drop


class Recorder:
    """A forward that keeps the logits of its last pass. Passes on the unwrapped module (`local`) are not kept: no
    parameter learns from them."""

    def __init__(self, forward: Forward, passes: list[Output] | None = None) -> None:
        self._forward = forward
        self._passes = [] if passes is None else passes

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        output = self._forward(batch, noise)
        self._passes[:] = [output]
        return output

    def logits(self) -> torch.Tensor:
        """float32 (items, labels), or (items, length, labels) for tagging."""
        return self._passes[-1].logits

    def shifted(self, offset: torch.Tensor) -> Recorder:
        """Passes with an offset are passes too."""
        return Recorder(self._forward.shifted(offset), self._passes)

    def one_mask(self) -> Recorder:
        """Passes that share their dropout are passes too."""
        return Recorder(self._forward.one_mask(), self._passes)

    def local(self) -> Forward:
        """See the class."""
        return self._forward.local()


def symmetric_kl(p: torch.Tensor, q: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """KL(P || Q) + KL(Q || P) of two sets of logits (..., labels), summed over the labelled items."""
    log_p, log_q = p.log_softmax(dim=-1), q.log_softmax(dim=-1)
    divergence = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1)
    return divergence[labels != IGNORED].sum()
