"""Distributions made by hand: modules and a `dist-info` in a folder, as pip leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

GOOD = """
from xrobust.contracts import Method, MethodInfo
class Good(Method):
    info = MethodInfo(name={name!r}, summary="a method that works")
"""


def write_distribution(
    folder: Path,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]] | str,
    *,
    version: str = "1.2",
    summary: str = "what the distribution is",
    metadata: bool = True,
    **modules: str,
) -> None:
    """Writes `modules` (name=source) and the metadata of a distribution into `folder`.

    `entry_points` maps a group to {name: target}, or is the text of entry_points.txt.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    if metadata:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
    if not isinstance(entry_points, str):
        groups = (
            "\n".join([f"[{group}]", *(f"{key} = {target}" for key, target in entries.items()), ""])
            for group, entries in entry_points.items()
        )
        entry_points = "\n".join(groups)
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
