"""Plain fine-tuning."""

from __future__ import annotations

from xrobust.contracts import Method, MethodInfo

from .shared.tuning import searched


class Vanilla(Method):
    """Plain fine-tuning: min_f sum over (x, y) of L(f(x), y), with L the cross entropy.

    The baseline of every comparison. It changes no stage of training; what it trains with is the task's recipe.
    """

    info = MethodInfo(
        name="vanilla",
        summary="plain fine-tuning: the baseline",
        tuning=searched(rate=(2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3)),
    )

    def conflict(self, other: Method) -> str | None:
        return "vanilla changes nothing: leave it out"
