"""`xrobust list`: tasks, methods, perturbations and bundled files, and which plugins are broken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from xrobust.cli.table import print_table
from xrobust.errors import PluginError, UserError, did_you_mean
from xrobust.registry.bundles import ASSET_TYPES, assets
from xrobust.registry.plugins import GROUPS, OBSERVERS, PluginRecord, Plugins
from xrobust.runtime.screen import json_text, say, write_data

SECTIONS = (*GROUPS, OBSERVERS, *ASSET_TYPES, "plugins")


def list_command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[tasks|methods|perturbations|observers|models|data|presets|plugins]",
            help="What to list; all but observers and plugins if not given.",
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Python file with a plugin. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List tasks, methods, perturbations, observers, what is bundled, or check plugins.

    Installed plugins are imported for it, observers aside: what each says of itself is shown, or why it cannot be used.
    `plugins` imports and checks every one, and ends with exit code 1 where one is broken.
    """
    if what is not None and what not in SECTIONS:
        raise UserError(f"unknown list {what!r}: {did_you_mean(what, SECTIONS)}")
    sections: dict[str, list[Any]]
    if what == "plugins":
        usable, broken = _files(plugin or ())
        sections = {"plugins": Plugins(usable).check_all() + broken}
    else:
        plugins = Plugins(plugin or ())
        sections = {group: plugins.records(group) for group in GROUPS if what in (None, group)}
        sections |= {OBSERVERS: plugins.records(OBSERVERS)} if what == OBSERVERS else {}
        sections |= {kind: list(assets(kind).values()) for kind in ASSET_TYPES if what in (None, kind)}
    if as_json:
        _print_json(sections)
    else:
        for i, (section, records) in enumerate(sections.items()):
            if i:
                say()
            _print_section(section, records)
    if any(_is_broken(record) for record in sections.get("plugins", ())):
        raise typer.Exit(1)


def _files(files: Sequence[Path]) -> tuple[list[Path], list[PluginRecord]]:
    """The plugin files that can be used together, and a record of each other one, with what is wrong with it."""
    usable: list[Path] = []
    broken = []
    for file in files:
        try:
            Plugins([*usable, file])
        except (UserError, PluginError) as error:
            broken.append(PluginRecord("file", file.stem, str(file), "", str(file), problem=str(error)))
        else:
            usable.append(file)
    return usable, broken


def _print_section(section: str, records: list[Any]) -> None:
    if not records:
        say(f"{section}: none is installed")
    elif section == "plugins":
        checked = [(r.group, r.name, r.distribution, r.version, _status(r)) for r in records]
        print_table(("group", "name", "distribution", "version", "status"), checked, section)
    elif section in ASSET_TYPES:
        print_table(("name", "from", "what it is"), [(i.name, i.origin, i.summary) for i in records], section)
    else:
        described = [(r.usable_as or r.name, r.origin, r.summary if r.usable_as else _status(r)) for r in records]
        print_table(("name", "from", "what it is"), described, section)


def _is_broken(record: PluginRecord) -> bool:
    """True if a plugin cannot be used, by its short name or another."""
    return bool(record.problem) and not record.usable_as


def _status(record: PluginRecord) -> str:
    if record.problem is None:
        return "ok"
    return f"failed: {record.problem}" if _is_broken(record) else record.problem


def _print_json(sections: dict[str, list[Any]]) -> None:
    from dataclasses import asdict

    plain = {section: [asdict(record) for record in records] for section, records in sections.items()}
    write_data(json_text(plain))
