"""Presets: settings for a purpose in one word, `--preset mini` or `--preset my.yaml`.

A preset is a YAML file with the keys of `--config` and three more: `summary`, and `tasks` and `methods`, which hold
settings for one task or one method, in that order over the general ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xrobust.settings import read_yaml, resolve_paths
from xrobust.errors import UserError, did_you_mean

OWN_KEYS = ("summary", "tasks", "methods")


def preset_values(preset: str, task: str | None, method: str | None) -> dict[str, Any]:
    """The settings of a preset for a task and a method (`a+b` takes those of both, left to right). Raises UserError."""
    path = preset_file(preset)
    values = read_yaml(path)
    by_name = {key: _named_sections(path, key, values.pop(key, None)) for key in ("tasks", "methods")}
    values.pop("summary", None)
    task, method = task or values.get("task"), method or values.get("method")
    parts = [part.strip().rpartition("/")[2] for part in str(method).split("+")]
    layers = [by_name["tasks"].get(str(task).rpartition("/")[2]), *(by_name["methods"].get(part) for part in parts)]
    for layer in layers:
        values = merged(values, layer or {})
    return resolve_paths(values, path)


def preset_file(preset: str) -> Path:
    """The file of a preset: a path, or a name in an installed bundle. Raises UserError, with 'did you mean'."""
    from xrobust import bundles

    path = Path(preset)
    if path.suffix in (".yaml", ".yml") or path.parent != Path():
        return path
    found = bundles.find("presets", preset)
    if found is None:
        known = did_you_mean(preset, bundles.items("presets"))
        raise UserError(f"unknown preset {preset!r}: {known} (a file of your own: --preset ./{preset}.yaml)")
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`; sections (`training`, `method_params`) are merged key by key."""
    together = dict(below)
    for key, value in above.items():
        inside = together.get(key)
        both = isinstance(value, Mapping) and isinstance(inside, Mapping)
        together[key] = merged(inside, value) if both else value  # type: ignore[arg-type]
    return together


def _named_sections(path: Path, key: str, sections: Any) -> dict[str, Any]:
    if sections is None:
        return {}
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise UserError(f"{path}: {key!r} holds settings by name: {{name: {{setting: value}}}}")
    return sections
