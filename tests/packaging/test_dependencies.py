"""What is imported is declared, and what is declared is pinned."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [Requirement(text) for text in PROJECT["dependencies"]]
DEVELOPMENT = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
EXTRAS = [
    Requirement(text) for extra, texts in PROJECT["optional-dependencies"].items() if extra != "dev" for text in texts
]
USE_EXTRAS = [ROOT / "xrobust" / room for room in ("analysis", "experiments", "report", "results/tracking")]

DISTRIBUTION = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "huggingface_hub": "huggingface-hub",
    "mlflow": "mlflow-skinny",
}
"""Top-level module -> distribution, where the names differ."""

OWN = {"xrobust", "xrobust_tasks", "xrobust_methods"}


def pins() -> dict[str, str]:
    """Distribution -> version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    for line in pinned:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line), f"constraints.txt: {line}"
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in pinned}


@pytest.mark.parametrize("folder", ["xrobust", "tasks", "methods"])
def test_every_import_is_declared(folder: str):
    core = {canonicalize_name(requirement.name) for requirement in DECLARED}
    extra = {canonicalize_name(requirement.name) for requirement in EXTRAS}
    for path in sorted((ROOT / folder).rglob("*.py")):
        with_extra = path.parent in USE_EXTRAS
        declared = core | extra if with_extra else core
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                if top in OWN or top in sys.stdlib_module_names:
                    continue
                assert canonicalize_name(DISTRIBUTION.get(top, top)) in declared, f"{path}:{node.lineno} imports {top}"


def test_every_dependency_is_pinned_to_a_version_in_its_range():
    versions = pins()
    for requirement in (*DECLARED, *DEVELOPMENT, *EXTRAS):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} excludes {version}"


def test_nothing_else_is_pinned():
    direct = {canonicalize_name(requirement.name) for requirement in (*DECLARED, *DEVELOPMENT, *EXTRAS)}
    assert set(pins()) == direct
