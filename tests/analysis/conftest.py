"""Fixtures of the analyses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.results.schema import RunResult
from xrobust.results.store import save_result


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes documents below a folder as `xrobust run` does, and returns the folder."""

    def write_runs(*results: RunResult, name: str = "runs") -> Path:
        for result in results:
            train = result.spec.train
            folder = tmp_path / name / train.task / "+".join(part.name for part in train.method) / result.run_id
            folder.mkdir(parents=True)
            save_result(folder, result)
        return tmp_path / name

    return write_runs
