"""The parameters of the attack on input embeddings; `xrobust.engine.attack` carries it out. Imports no torch."""

from __future__ import annotations

from pydantic import Field, field_validator

from xrobust.contracts.noise import BallShape


class PgdParams(BallShape):
    """PGD at test time (Madry et al., ICLR 2018, section 2.1), on the input embedding of each ordinary token.

    For each radius epsilon the worst offset in the ball is approached by `steps` steps of projected gradient ascent:
    from a random start at the smallest, from what the radius before it led to at the others.
    """

    epsilons: tuple[float, ...] = Field(
        default=(0.001, 0.003, 0.01, 0.03, 0.1),
        description="radii of the ball around each token's input embedding: a point of the curve each",
    )
    steps: int = Field(default=10, ge=1, le=1000, description="steps of gradient ascent at each radius")
    step_size: float | None = Field(
        default=None,
        gt=0,
        description="length of a step, in the unit of epsilon; null: 2.5 * epsilon / steps, with which the border can "
        "be reached from any start",
    )
    seed: int = Field(default=0, ge=0, description="seed of the random starts, the same for every run")

    @field_validator("epsilons")
    @classmethod
    def _ascending(cls, epsilons: tuple[float, ...]) -> tuple[float, ...]:
        """Positive, in ascending order and each once, so that one curve has one spelling."""
        if not epsilons:
            raise ValueError("name at least one radius, as in [0.01, 0.03]")
        if any(epsilon <= 0 for epsilon in epsilons):
            raise ValueError("a radius must be greater than 0")
        return tuple(sorted(set(epsilons)))

    def radii(self, embedding_norm: float) -> tuple[float, ...]:
        """The radii in the model's own units; `embedding_norm` is that of the *pre-trained* input embeddings."""
        return tuple(epsilon * self.unit(embedding_norm) for epsilon in self.epsilons)

    def step(self, embedding_norm: float) -> float | None:
        """The length of a step in the model's own units, where it is given."""
        return None if self.step_size is None else self.step_size * self.unit(embedding_norm)
