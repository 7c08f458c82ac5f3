"""Presets: settings for a purpose in one word, `--preset mini` or `--preset my.yaml`.

A preset is a YAML file with the keys of `--config` and three more: `summary`, and `tasks` and `methods`, which hold
settings for one task or one method, in that order over the general ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.config.training_settings import SCHEDULES
from xrobust.config.values import read_yaml, resolve_paths
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.registry.plugins import Group, Plugins

SECTIONS: tuple[Group, ...] = ("tasks", "methods")
DEFAULT_METHOD = "vanilla"
"""The method of a request that names none."""
Check = Callable[[Mapping[str, Any], Path, str], None]
"""Raises UserError, which names the file and the section in it, for settings that no run has."""


def over_preset(preset: str, values: Mapping[str, Any], check: Check) -> dict[str, Any]:
    """Merges `values` over those of a preset for the task and the method that they name. Raises UserError."""
    files = values.get("plugins")
    plugins = files if isinstance(files, list | tuple) else ()
    return merged(preset_values(preset, check, values.get("task"), values.get("method"), plugins), values)


def preset_values(
    preset: str,
    check: Check,
    task: str | None = None,
    method: str | None = None,
    plugins: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """The settings of a preset for a task and a method (`a+b` takes those of both, left to right).

    `plugins` are the files that the user names, whose plugins may have sections. Raises UserError.
    """
    path = preset_file(preset)
    values = read_yaml(path)
    by_name = {key: _named_sections(path, key, values.pop(key, None), check, plugins) for key in SECTIONS}
    values.pop("summary", None)
    for section in (values, *(section for sections in by_name.values() for section in sections.values())):
        for key in section.keys() & {"plugin", "plugins"}:  # it may come with a package of data: no code is executed
            raise UserError(f"{path}: a preset cannot name plugin files ({key!r}): give them with --plugin FILE")
    check(values, path, "")
    task = str(task or values.get("task"))
    method = str(method or values.get("method") or DEFAULT_METHOD)
    parts = [part.strip().rpartition("/")[2] for part in method.split("+")]
    layers = [by_name["tasks"].get(task.rpartition("/")[2]), *(by_name["methods"].get(part) for part in parts)]
    for layer in layers:
        values = merged(values, layer or {})
    return resolve_paths(values, path)


def preset_file(preset: str) -> Path:
    """The file of a preset: a path, or a name in an installed bundle. Raises UserError, with 'did you mean'."""
    from xrobust.registry import bundles

    path = Path(preset)
    if path.suffix in (".yaml", ".yml") or "/" in preset:
        if path.is_file():
            return path
        near = nearest(path.stem, bundles.assets("presets"))
        hint = f"; of the presets that come in packages, {did_you_mean(path.stem, near)}" if near else ""
        raise UserError(f"preset {preset}: there is no such file{hint}")
    bundled = bundles.find_asset("presets", preset)
    if bundled is None:
        known = did_you_mean(preset, bundles.assets("presets"))
        raise UserError(f"unknown preset {preset!r}: {known} (a file of your own: --preset ./NAME.yaml)")
    return bundled


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merges `above` over `below`; sections (`training`, `method_params`) are merged key by key.

    Of `training.dev_looks` and `training.select_every`, which stand for one another, `above` has none or decides.
    """
    together = dict(below)
    if above.keys() & set(SCHEDULES):  # the one that is set above replaces whichever is set below
        together = {key: value for key, value in below.items() if key not in SCHEDULES}
    for key, value in above.items():
        inside = together.get(key)
        both = isinstance(value, Mapping) and isinstance(inside, Mapping)
        together[key] = merged(inside, value) if both else value  # type: ignore[arg-type]
    return together


def _named_sections(
    path: Path, key: Group, sections: Any, check: Check, plugins: Sequence[str | Path]
) -> dict[str, Any]:
    """The sections of `tasks` or `methods`, checked, those for other runs too. Raises UserError.

    A name that is neither installed here nor in a file of `plugins` is one of a plugin that is elsewhere, unless it
    looks like one that is here.
    """
    if sections is None:
        return {}
    if not isinstance(sections, dict) or not all(
        isinstance(name, str) and isinstance(section, dict) for name, section in sections.items()
    ):
        raise UserError(f"{path}: {key!r} holds settings by name: {{name: {{setting: value}}}}")
    installed = Plugins([Path(file) for file in plugins]).names(key)
    for name, section in sections.items():
        if name not in installed and (near := nearest(name, installed)):
            raise UserError(f"{path}: unknown name {name!r} in {key!r}: {did_you_mean(name, near)}")
        check(section, path, f"{key}.{name}")
    return sections
