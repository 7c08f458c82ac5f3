"""The plugins that installed distributions declare, read from their metadata: nothing is imported."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator

from xrobust.errors import did_you_mean, one_line
from xrobust.registry.record import (
    BUNDLES,
    CORE,
    FORMER_OBSERVERS,
    GROUPS,
    NAME,
    NAME_RULE,
    OBSERVERS,
    PREFIX,
    PluginRecord,
)

TARGET = re.compile(r"[\w.]+:[\w.]+")


def installed() -> Iterator[PluginRecord]:
    """A record for each entry point of ours, in the order of the path. What its metadata get wrong is its `problem`.

    Distributions are read one by one: `importlib.metadata.entry_points` raises for all where one has a garbled file.
    """
    for distribution in importlib.metadata.distributions():
        try:
            if PREFIX not in (distribution.read_text("entry_points.txt") or ""):
                continue
        except (OSError, UnicodeDecodeError):  # not ours to complain about: nothing says that it has a plugin
            continue
        name, version, summary = _about(distribution)
        try:
            entries = list(distribution.entry_points)
        except Exception as error:
            problem = f"its entry_points.txt cannot be read: {one_line(error)}"
            yield PluginRecord("?", "?", name, version, "entry_points.txt", problem=problem)
            continue
        observers = {entry.name for entry in entries if entry.group == PREFIX + OBSERVERS}
        for entry in entries:
            if not entry.group.startswith(PREFIX):
                continue
            group = entry.group.removeprefix(PREFIX)
            if former := group == FORMER_OBSERVERS:
                if entry.name in observers:  # in both groups, for older versions of xrobust
                    continue
                group = OBSERVERS
            yield PluginRecord(
                group, entry.name, name, version, entry.value, summary, _problem(group, entry), former_group=former
            )


def _about(distribution: importlib.metadata.Distribution) -> tuple[str, str, str]:
    """Name, version and summary of a distribution, whose METADATA may be missing."""
    try:
        metadata = distribution.metadata
        fields = {key: metadata[key] for key in metadata}
    except Exception:
        fields = {}
    name = fields.get("Name") or "unknown"
    # A built-in plugin says what it is for itself; the summary of the whole would say nothing of it.
    return name, fields.get("Version", ""), "" if name == CORE else fields.get("Summary", "")


def _problem(group: str, entry: importlib.metadata.EntryPoint) -> str | None:
    """The defect of an entry point, as far as it shows without importing it, or None."""
    if group not in (*GROUPS, OBSERVERS, BUNDLES):
        hint = did_you_mean(entry.group, [PREFIX + known for known in (*GROUPS, OBSERVERS, BUNDLES)])
        return f"unknown entry-point group {entry.group!r}: {hint}"
    if group != OBSERVERS and not NAME.fullmatch(entry.name):
        return f"{NAME_RULE}: {entry.name!r}"
    if group in GROUPS and not TARGET.fullmatch(entry.value):
        return f"its entry point is not of the form module:Class: {entry.value!r}"
    return None
