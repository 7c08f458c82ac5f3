"""Facts about a data folder: the optional `about.yaml` in it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xrobust.config.validation import validated
from xrobust.config.values import read_mapping

ABOUT = "about.yaml"


class About(BaseModel):
    """The keys of `about.yaml`, all optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = "local"
    revision: str | None = None
    licence: str | None = None
    summary: str | None = None
    sample: bool = False
    """Data to try things on: documents made from them say so."""


def read_about(data_dir: Path) -> About:
    """Reads `about.yaml` of a folder; defaults where there is none. Raises UserError for one that is wrong."""
    path = data_dir / ABOUT
    if not path.exists():
        return About()
    return validated(About, read_mapping(path, "id: my-data"), str(path))
