"""The record of one plugin, and the check that a class is a plugin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["tasks", "methods", "perturbations"]
GROUPS: tuple[Group, ...] = ("tasks", "methods", "perturbations")
OBSERVERS: Literal["observers"] = "observers"
FORMER_OBSERVERS = "plugins"
"""Former name of the group of observers: still read, with a warning."""
BUNDLES = "bundles"
"""Packages of models, data and presets: `xrobust.bundles`."""
CORE = "xrobust"
PREFIX = "xrobust."
"""An entry-point group is the prefix and one of GROUPS, OBSERVERS or BUNDLES."""
NAME = re.compile(r"[a-z0-9_]+")
NAME_RULE = "a name has lower-case letters, digits and underscores only"


@dataclass(frozen=True)
class PluginRecord:
    """Facts about a plugin, most of them known without importing it."""

    group: str
    name: str
    distribution: str
    """Name of the installed distribution, or the path of a plugin file as it was given."""
    version: str
    """Empty for a file."""
    target: str
    """`module:attribute`, as the entry point says; for a file, `path:line`."""
    summary: str = ""
    problem: str | None = None
    """Why it cannot be used, or not by its short name."""
    usable_as: str | None = None
    """The name to ask for it by: the short one, or `qualified` where another plugin has that. None where it is broken;
    only importing it can tell."""
    sha256: str | None = None
    """Of a plugin file's content."""
    former_group: bool = False
    """True for an observer in entry-point group `xrobust.plugins`, the former name of `xrobust.observers`."""

    @property
    def qualified(self) -> str:
        """The name that is never ambiguous."""
        return f"{self.distribution}/{self.name}"

    @property
    def origin(self) -> str:
        """Distribution and version, or the file."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def key(self) -> tuple[str, str, str]:
        """Group, distribution and name: equal for no two plugins."""
        return self.group, canonical(self.distribution), self.name


def canonical(distribution: str) -> str:
    """A distribution's name in the spelling that all its spellings share (PyPA name normalisation)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def contract(group: str) -> tuple[type, type[Any]]:
    """The base class of a group's plugins, and the class of their `info`."""
    from xrobust import contracts

    return {
        "tasks": (contracts.Task, contracts.TaskInfo),
        "methods": (contracts.Method, contracts.MethodInfo),
        "perturbations": (contracts.Perturbation, contracts.PerturbationInfo),
    }[group]


def info_problem(cls: type, group: str) -> str | None:
    """The defect of a plugin class's `info`, in a few words, or None."""
    info: Any = getattr(cls, "info", None)
    _, kind = contract(group)
    if not isinstance(info, kind):
        return f"class {cls.__name__} has no `info = {kind.__name__}(...)`"
    if not NAME.fullmatch(str(info.name)):
        return f"{NAME_RULE}: {info.name!r}"
    return None
