"""Parameters of a plugin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Base of the parameters of a method or perturbation: validated, and unknown names refused.

    Give every field a `Field(description=...)`. A path to a file belongs in a field with `exclude=True`, returned by
    `files` of the plugin: then the file's content, not its place, becomes part of the run's identity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
