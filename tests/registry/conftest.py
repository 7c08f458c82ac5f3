"""A folder on the path to put hand-made distributions into."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from handmade import write_distribution


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for distributions; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name, module in list(sys.modules.items()):
        if str(folder) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def distribution(site: Path) -> Callable[..., None]:
    """`write_distribution` into `site`."""

    def write(name: str, entry_points: Mapping[str, Mapping[str, str]] | str, **options: object) -> None:
        write_distribution(site, name, entry_points, **options)  # type: ignore[arg-type]

    return write
