"""Processes that another launcher starts: Accelerate's and torch's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("launcher", "processes"),
    [
        ([BIN / "accelerate", "launch", "--cpu", "--num_processes", "1", "-m"], 1),
        ([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"], 2),
    ],
    ids=["accelerate", "torchrun"],
)
def test_launched(launcher: list[object], processes: int, tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    done = subprocess.run(
        [
            *map(str, launcher),
            *("xrobust", "run", "--task", "pos", "--model", str(tiny_model), "--data-dir", str(tiny_data)),
            *("--output", str(tmp_path / "runs"), "--languages", "en,de", "--set", "training.epochs=1"),
        ],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("average ") == 1, "one process prints"
    (document,) = (tmp_path / "runs").rglob("result.json")
    result = json.loads(document.read_text())
    assert result["status"] == "complete"
    assert result["environment"]["world_size"] == processes
    assert [row["language"] for row in result["scores"] if row["metric"] == "accuracy"] == ["en", "de"]
