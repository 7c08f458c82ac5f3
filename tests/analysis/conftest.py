"""Fixtures of the analyses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from handmade_runs import write_runs

from xrobust.results.schema import RunResult


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes documents below a folder as `xrobust run` does, and returns the folder."""

    def write_below(*results: RunResult, name: str = "runs") -> Path:
        return write_runs(tmp_path / name, *results)

    return write_below
