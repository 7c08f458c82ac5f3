"""The wheel holds what the tree holds.

`packages` in pyproject.toml is a list, with `tasks` and `methods` mapped to other names: an editable install imports a
folder that the list forgot, the wheel silently lacks it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAPPED = {"xrobust": "xrobust", "tasks": "xrobust_tasks", "methods": "xrobust_methods", "bundle": "xrobust_bundle"}


def tree_files() -> set[str]:
    """Every file of the packages that git tracks or would track, by its path in the wheel."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files belong to the tree")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *MAPPED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    paths = [Path(name) for name in listed if name and (ROOT / name).is_file()]
    return {Path(MAPPED[path.parts[0]], *path.parts[1:]).as_posix() for path in paths}


def differences(tree: set[str], wheel: set[str]) -> tuple[set[str], set[str]]:
    """What the wheel lacks, and what it has that the tree has not."""
    held = {name for name in wheel if ".dist-info/" not in name}
    return tree - held, held - tree


def build(folder: Path, pyproject: str, data_file: str | None = None) -> Path:
    """Builds the wheel from a copy of the sources: what an earlier build left in the tree cannot get in."""
    source = folder / "source"
    source.mkdir()
    for name in MAPPED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    if data_file is not None:
        (source / data_file).write_text("{}", encoding="utf-8")
    (source / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_holds_what_the_tree_holds(wheel: Path):
    tree = tree_files()
    assert {"xrobust/py.typed", "xrobust/registry/plugins.py", "xrobust_tasks/__init__.py"} <= tree
    assert differences(tree, set(zipfile.ZipFile(wheel).namelist())) == (set(), set())


def test_a_forgotten_package_or_data_file_is_noticed(tmp_path: Path):
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '    "xrobust.kinds",\n' in pyproject
    doctored = pyproject.replace('    "xrobust.kinds",\n', "")
    tree = tree_files() | {"xrobust/results/no_such_data.json"}
    wheel = build(tmp_path, doctored, data_file="xrobust/results/no_such_data.json")
    missing, extra = differences(tree, set(zipfile.ZipFile(wheel).namelist()))
    kinds = {name for name in tree if name.startswith("xrobust/kinds/")}
    assert len(kinds) >= 4
    assert missing == kinds | {"xrobust/results/no_such_data.json"}
    assert extra == set()


def test_every_entry_point_works_from_the_wheel_alone(wheel: Path, tmp_path: Path):
    unpacked = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(unpacked)
    (distribution,) = distributions(path=[str(unpacked)])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [(point.group, point.name, point.value) for point in distribution.entry_points]
    expected = [(group, *item) for group, entries in declared["entry-points"].items() for item in entries.items()]
    assert sorted(points) == sorted([*expected, ("console_scripts", "xrobust", declared["scripts"]["xrobust"])])
    for _, _, target in points:
        module = unpacked / target.partition(":")[0].replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__init__.py").is_file(), target

    script = (
        "import importlib.metadata, inspect, sys\n"
        "(d,) = importlib.metadata.distributions(path=[sys.argv[1]])\n"
        "for point in d.entry_points: print(inspect.getfile(inspect.unwrap(point.load())))\n"
    )
    loaded = in_site(unpacked, "-c", script, str(unpacked)).splitlines()
    assert len(loaded) == len(points)
    assert [file for file in loaded if not Path(file).is_relative_to(unpacked)] == []
    checked = json.loads(in_site(unpacked, "-m", "xrobust", "list", "plugins", "--json"))["plugins"]
    assert {r["name"] for r in checked if r["distribution"] == "xrobust"} == {name for _, name, _ in expected}
    assert [r["problem"] for r in checked if r["distribution"] == "xrobust" and r["problem"]] == []


def test_the_wheel_says_what_it_is(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert "\nLicense-Expression: Apache-2.0 AND CC-BY-SA-4.0 AND CC0-1.0 AND MIT\n" in text
    assert "\nRequires-Python: >=3.11\n" in text
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "file:" not in text


def in_site(site: Path, *arguments: str) -> str:
    """The output of Python run with `site` first on its path, outside the checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
