"""The source of examples that a user means: a folder, bundled data, or the hub."""

from __future__ import annotations

from pathlib import Path

from xrobust.contracts.task import Source
from xrobust.registry import bundles


def open_source(data_dir: Path | None, offline: bool) -> Source:
    """The folder `data_dir` if one is given, else the hub. Raises UserError if the folder is not there."""
    if data_dir is not None:
        from xrobust.data.local import LocalSource

        return LocalSource(data_dir)
    from xrobust.data.hub import HubSource

    return HubSource(offline)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder that is meant: bundled data where it is their name. Raises UserError for damaged files."""
    return None if data_dir is None else bundles.find_asset("data", str(data_dir)) or Path(data_dir)
