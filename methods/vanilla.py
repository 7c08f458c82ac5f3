"""Plain fine-tuning."""

from __future__ import annotations

from xrobust.contracts import Method, MethodInfo


class Vanilla(Method):
    """Plain fine-tuning: min_f sum over (x, y) of L(f(x), y), with L the cross entropy.

    The baseline of every comparison. It changes no stage of training; what it trains with is the task's recipe.
    """

    info = MethodInfo(name="vanilla", summary="plain fine-tuning: the baseline")

    def conflict(self, other: Method) -> str | None:
        return "vanilla changes nothing: leave it out"
