"""A forward that keeps its last pass, so that another objective can look around the point where that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xrobust.contracts import Batch, Forward, Output

if TYPE_CHECKING:
    import torch


class Pass(NamedTuple):
    """One pass, and what is needed for another one beside it."""

    forward: Forward
    """The forward that ran it, with its offsets; with its dropout too where the recorder keeps that."""
    noise: torch.Tensor | None
    """Noise that the pass was given."""
    logits: torch.Tensor
    """float32 (items, labels), or (items, length, labels) for tagging."""


class Recorder:
    """A forward that keeps the last pass made through it and through those made from it.

    Passes on the unwrapped module (`local`) are not kept: no parameter learns from them.
    """

    def __init__(self, forward: Forward, *, keep_mask: bool, passes: list[Pass] | None = None) -> None:
        """`keep_mask`: passes by the `forward` of a kept one have its dropout."""
        self._forward = forward
        self._keep_mask = keep_mask
        self._passes = [] if passes is None else passes

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        """Runs one pass, with the dropout that it has without a recorder."""
        forward = self._forward.one_mask() if self._keep_mask else self._forward
        output = forward(batch, noise)
        self._passes[:] = [Pass(forward, noise, output.logits)]
        return output

    def last(self) -> Pass:
        """The last pass; there has to have been one."""
        return self._passes[-1]

    def shifted(self, offset: torch.Tensor) -> Recorder:
        """See `Forward`."""
        return self._around(self._forward.shifted(offset))

    def one_mask(self) -> Recorder:
        """See `Forward`."""
        return self._around(self._forward.one_mask())

    def local(self) -> Forward:
        """See the class."""
        return self._forward.local()

    def _around(self, forward: Forward) -> Recorder:
        return Recorder(forward, keep_mask=self._keep_mask, passes=self._passes)
