"""Record of a tuning: the trials by which the settings of a run were chosen."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Trial(BaseModel):
    """One trial: the settings that were tried, and the score that they gave."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int = Field(ge=0)
    params: dict[str, Any]
    """Setting -> value."""
    dev: float | None = Field(allow_inf_nan=False)
    """Mean score on the source dev set, over the seeds of the tuning; null for a trial that gave none."""


class TuningSection(BaseModel):
    """Course and outcome of the tuning that chose a run's settings. It is no part of the run id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    trials: int = Field(ge=1)
    """Number of trials asked for: equal for two methods that were tuned with the same effort."""
    scored: int = Field(ge=0)
    """Trials that ended with a score on the source dev set."""
    seeds: list[int] = Field(min_length=1)
    """Seeds that each trial was trained with."""
    sampler: str
    """Method that chose the settings to try: `TPE` or `random`."""
    space: dict[str, Any]
    """Setting -> `[low, high]`, `[low, high, "log"]` or `{"values": [...]}`."""
    metric: str
    """Metric on the source dev set."""
    chosen: dict[str, Any]
    """Setting -> value that was chosen."""
    values: list[Trial]
    """All trials, by number."""

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        with_score = sum(trial.dev is not None for trial in self.values)
        if self.scored != with_score:
            raise ValueError(f"scored is {self.scored}, and {with_score} of the trials in values have a score")
        return self
