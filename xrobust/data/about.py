"""What a data folder says of itself: an optional `about.yaml` in it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xrobust.errors import UserError

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
    """What the folder says; nothing in particular where it has no such file. Raises UserError for one that is wrong."""
    import yaml

    from xrobust.spec import validated

    path = data_dir / ABOUT
    if not path.is_file():
        return About()
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no settings: it needs lines such as 'id: my-data'")
    return validated(About, values, str(path))
