"""The package of freelb and smart: installed with pip, listed, run by name on the preset mini."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fork_server import Pythons

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "plugins" / "xrobust-baselines"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the package into, without a network."""
    folder = tmp_path_factory.mktemp("baselines")
    source = shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *options, "--target", str(folder / "site"), str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / "site"


def xrobust(pythons: Pythons, site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command with `site` on the path, in the folder around it."""
    env = {**os.environ, "PYTHONPATH": str(site)}
    return pythons.run("-m", "xrobust", *arguments, cwd=site.parent, env=env)


def test_both_are_listed_without_a_problem(pythons: Pythons, installed: Path) -> None:
    checked = json.loads(xrobust(pythons, installed, "list", "plugins", "--json").stdout)["plugins"]
    mine = {(r["group"], r["name"]): r["problem"] for r in checked if r["distribution"] == "xrobust-baselines"}
    assert mine == {("methods", "freelb"): None, ("methods", "smart"): None}


def test_what_cannot_be_combined_is_one_line(pythons: Pythons, installed: Path) -> None:
    done = xrobust(pythons, installed, "run", "-t", "pos", "-m", "adversarial+freelb", "--preset", "mini", "--dry-run")
    assert done.returncode == 2
    assert "adversarial and freelb cannot be combined: both ascend" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_they_are_run_by_name(pythons: Pythons, installed: Path, tmp_path: Path) -> None:
    done = xrobust(
        pythons,
        installed,
        *("run", "--task", "pos", "--method", "smart+freelb+lora", "--preset", "mini", "--languages", "de"),
        *("--limit", "4", "--output", tmp_path, "--set", "training.max_steps=1", "--set", "method.lora.rank=2"),
        *("--set", "method.freelb.steps=2", "--set", "method.smart.weight=3"),
    )
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["status"] == "complete"
    smart, freelb, _ = result["spec"]["train"]["method"]
    assert (smart["name"], freelb["name"]) == ("xrobust-baselines/smart", "xrobust-baselines/freelb")
    assert smart["params"] == {
        **{"relative": True, "weight": 3, "steps": 1, "step_size": 0.001, "noise": 1e-5},
        **{"epsilon": None, "one_mask": True},
    }
    assert freelb["params"] == {
        **{"relative": True, "steps": 2, "step_size": 0.04, "init_magnitude": 0.08},
        **{"max_norm": None, "one_mask": True},
    }
    assert smart["plugin_version"] == freelb["plugin_version"] == "0.1.0"
    budget = result["training"]["budget"]
    assert budget["processed_tokens"] == 2 * 3 * budget["tokens"]
