"""The unit of lengths in embedding space, as xrobust's own noise methods have it."""

from __future__ import annotations

from pydantic import Field

from xrobust.contracts import Method


class RelativeLengths(Method.Params):
    """The unit of a method's lengths, to inherit from in its `Params`."""

    relative: bool = Field(
        default=True,
        description="lengths in units of the mean L2 norm of the pre-trained input embeddings of tokens that occur, as "
        "epsilon of adversarial is; false: in the model's own units, as in the authors' code",
    )

    def unit(self, embedding_norm: float) -> float:
        """The unit of a length, in the model's own units."""
        return embedding_norm if self.relative else 1.0
