"""Experiments on tiny data, and jobs whose runs are small programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from xrobust.experiments.job import Job

WriteExperiment = Callable[..., Path]


@pytest.fixture
def write_experiment(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> WriteExperiment:
    """Writes an experiment of tiny runs: `write_experiment(methods=["vanilla"])` gives its file."""

    def write(name: str = "tiny", *, base: dict[str, Any] | None = None, **values: Any) -> Path:
        own = {
            "model": str(tiny_model),
            "data_dir": str(tiny_data),
            "languages": ["en", "de"],
            "training": {"epochs": 1, "learning_rate": 5e-3},
        }
        content = {"name": name, "tasks": ["pos"], "base": {**own, **(base or {})}, **values}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return file

    return write


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """A job whose files lie in the test's folder."""

    def make(name: str = "pos-vanilla-seed1-00000000", **values: Any) -> Job:
        files = {key: tmp_path / key / f"{name}.txt" for key in ("spec", "log", "progress", "status")}
        folder = tmp_path / "runs" / "pos" / "vanilla" / name
        own = {"task": "pos", "method": "vanilla", "model": "tiny", "seed": 1, "run_id": "0" * 16, "asked": "all"}
        return Job(**{"name": name, "folder": folder, "batch_size": 32, **own, **files, **values})

    return make


@pytest.fixture
def program() -> Callable[[str], Callable[[Job, Sequence[str]], list[str]]]:
    """A program in place of a run's; its arguments are the job's spec and what else the run is to be started with."""
    return lambda source: lambda job, more: [sys.executable, "-S", "-c", source, str(job.spec), *more]
