"""Models, data and presets that come in installed packages, by name: `--model mini` is a folder in one of them.

A bundle is a package named in entry-point group `xrobust.bundles`. Its folder holds `models/<name>/`, `data/<name>/`
and `presets/<name>.yaml`, any of them; nothing of it is imported. A `SHA256SUMS` file (as `sha256sum` writes it) beside
these guards every file that it lists.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from xrobust.errors import UserError
from xrobust.registry.metadata import installed
from xrobust.registry.record import BUNDLES
from xrobust.storage.checksums import SUMS, read_sums
from xrobust.storage.hashing import file_sha256
from xrobust.storage.regular_file import require_regular

AssetType = Literal["models", "data", "presets"]
ASSET_TYPES: tuple[AssetType, ...] = ("models", "data", "presets")
PLAIN_SUMMARY = re.compile(r"^summary: ([A-Za-z](?:[\w ,.()/-]|:(?=\w)|;)*)$(?!\n[ \t])", re.MULTILINE)
"""A summary that YAML takes as it stands, in one line: to list what is bundled, a parser of YAML takes longest."""


@dataclass(frozen=True)
class Asset:
    """One model, data folder or preset of a bundle."""

    name: str
    path: Path
    bundle: Path
    """The bundle's folder."""
    origin: str
    """Distribution and version."""

    @property
    def summary(self) -> str:
        """One line about the asset: `summary` of a preset and of data, the first sentence of a model's card."""
        card = self.path / "README.md"
        if card.is_file() and self.path.parent.name == "models":
            prose = [block for block in card.read_text(encoding="utf-8").split("\n\n") if not block.startswith("#")]
            return " ".join(prose[0].split()).partition(". ")[0] if prose else ""
        file = self.path / "about.yaml" if self.path.is_dir() else self.path
        try:
            require_regular(file)
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, UserError):
            return ""
        plain = PLAIN_SUMMARY.search(text)
        return plain[1] if plain else _summary_by_yaml(text)


def _summary_by_yaml(text: str) -> str:
    import yaml

    from xrobust.storage.yaml_text import load_yaml

    try:
        return str(load_yaml(text)["summary"])
    except (ValueError, TypeError, KeyError, yaml.YAMLError):
        return ""


@cache
def assets(kind: AssetType) -> dict[str, Asset]:
    """All assets of a type, by name. Of two bundles with one name the first counts, as for an import."""
    found: dict[str, Asset] = {}
    for folder, origin in _bundles():
        for path in _of_kind(folder, kind):
            found.setdefault(path.stem, Asset(path.stem, path, folder, origin))
    return found


@cache
def _bundles() -> list[tuple[Path, str]]:
    """The folder and the origin of each bundle: the metadata of all distributions are read for it, once."""
    records = [record for record in installed() if record.group == BUNDLES and not record.problem]
    return [(folder, record.origin) for record in records if (folder := bundle_folder(record.target))]


def _of_kind(folder: Path, kind: AssetType) -> list[Path]:
    """The assets of a type that a bundle has, or by its checksums should have. A folder of Python modules has none."""
    if (folder / kind / "__init__.py").exists():
        return []
    paths = set((folder / kind).iterdir()) if (folder / kind).is_dir() else set()
    paths = {path for path in paths if path.is_dir() or kind == "presets"}
    # A damaged SHA256SUMS is told of when something is asked for.
    with suppress(UserError):
        listed = (Path(name).parts for name in _sums(folder))
        paths |= {folder / kind / parts[1] for parts in listed if len(parts) > 1 and parts[0] == kind}
    suffix = ".yaml" if kind == "presets" else ""
    return sorted(path for path in paths if path.suffix == suffix and not path.name.startswith((".", "_")))


@cache
def _sums(folder: Path) -> dict[str, str]:
    """Path in the bundle -> sha256, as its SHA256SUMS has them; none where there is no such file. Raises UserError."""
    try:
        return read_sums(folder / SUMS)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / SUMS}: the checksums of the bundle cannot be read: {error}") from error


def bundle_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where there is none."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def find_asset(kind: AssetType, name: str) -> Path | None:
    """The path of an item, its files checked, or None where no bundle has the name. Raises UserError."""
    item = assets(kind).get(name)
    return None if item is None else _checked(item)


@cache
def _checked(item: Asset) -> Path:
    """The item's path, once each of its files has the content that it had when it was packed, and no file is new."""
    if not (item.bundle / SUMS).is_file():
        return item.path
    start = item.path.relative_to(item.bundle)
    expected = {name: sha for name, sha in _sums(item.bundle).items() if Path(name).is_relative_to(start)}
    files = [path for path in (item.path, *item.path.rglob("*")) if path.is_file()]
    for name in sorted({path.relative_to(item.bundle).as_posix() for path in files} | set(expected)):
        if name in expected:
            _check(item, item.bundle / name, expected[name])
        elif not Path(name).name.startswith("."):
            raise UserError(f"{item.bundle / name}: no file of the bundle (it is not in {SUMS}): move it elsewhere")
    return item.path


def _check(item: Asset, file: Path, expected: str) -> None:
    advice = f"install {item.origin.partition(' ')[0]} again (pip install --force-reinstall)"
    try:
        found = file_sha256(file)
    except OSError as error:
        raise UserError(f"{file}: a file of the bundle cannot be read: {error.strerror or error}; {advice}") from error
    if found != expected:
        raise UserError(f"{file}: the file is damaged: its sha256 is {found[:12]}..., not {expected[:12]}...; {advice}")
