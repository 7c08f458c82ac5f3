"""Settings of the means over languages under a condition: never part of the run id."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MIN_EXAMPLES = 30
"""Default of `robustness.min_examples`: the 95% interval of 50% accuracy is 34 points wide with 30 examples."""


class RobustnessSettings(BaseModel):
    """Settings of the means over languages under a condition, as a user gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    min_examples: int | None = Field(
        default=None,
        ge=1,
        le=2**31,
        strict=True,
        description=f"fewest changed examples of a language that is in the means under a condition; {MIN_EXAMPLES} by "
        "default",
    )
