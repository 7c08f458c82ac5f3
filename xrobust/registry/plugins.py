"""The registry of plugins: finds them, imports the one that is asked for, and isolates the broken ones.

A plugin is a class named in entry-point group `xrobust.tasks`, `xrobust.methods` or `xrobust.perturbations` of an
installed distribution, or defined in a file given by `--plugin`; observers are in group `xrobust.observers`. The
built-in plugins come in the same way; their one privilege is that they keep their short names.
"""

from __future__ import annotations

import importlib.metadata
import logging
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from xrobust.errors import UserError, did_you_mean, one_line, shown
from xrobust.registry.metadata import installed
from xrobust.registry.record import CORE, GROUPS, OBSERVERS, Group, PluginRecord, canonical, contract
from xrobust.runtime.observers import Observers, hook_problem

if TYPE_CHECKING:
    from xrobust.contracts import Method, Perturbation, Task
    from xrobust.registry.plugin_file import PluginSource

logger = logging.getLogger(__name__)

__all__ = ["CORE", "GROUPS", "OBSERVERS", "Group", "Identity", "PluginRecord", "Plugins"]


class Identity(NamedTuple):
    """A plugin's part in the identity of a run: another version, or an edited file, is another run."""

    name: str
    version: str | None = None
    """Of the distribution; None for a built-in plugin and for a file."""
    sha256: str | None = None
    """Of a plugin file's content."""


class Plugins:
    """The plugins that are installed, and those in `files`.

    Metadata is read once, on first use; nothing but `files` is imported before it is asked for.
    """

    def __init__(self, files: Sequence[Path | PluginSource] = ()) -> None:
        """Raises UserError for a file that fails to import, defines no plugin, or takes a name that is taken."""
        self._loaded: dict[tuple[str, str, str], Any] = {}
        self._failures: dict[tuple[str, str, str], str] = {}
        self._from_files: list[PluginRecord] = []
        self.files: dict[Path, str] = {}
        """Absolute path of each plugin file -> sha256 of its content."""
        for source in _sources(files):
            self._add_file(source)
            self.files[source.place] = source.sha256

    def names(self, group: Group) -> set[str]:
        """The short names of all plugins of a group, from their metadata: none is imported."""
        return {record.name for record in self._found(group)}

    def records(self, group: Group | Literal["observers"]) -> list[PluginRecord]:
        """All plugins of a group by name. Each but observers is imported, for what it says of itself."""
        found = self._found(group)
        for record in found:
            if group != OBSERVERS:
                self._import(record)
        return [self._complete(record) for record in found]

    def record(self, group: Group, name: str) -> PluginRecord:
        """The record of `name` (short, or `distribution/name`). Raises UserError where it is unknown or ambiguous."""
        return self._complete(self._resolve(group, name))

    def identity(self, group: Group, name: str) -> Identity:
        """A plugin's part in the identity of a run, however it was asked for.

        Built-in plugins and those of a file go by their short names (the place of a file is no part of a run), all
        others by `distribution/name`. Raises UserError where the name is unknown or ambiguous.
        """
        record = self._resolve(group, name)
        if record.distribution == CORE:
            return Identity(record.name)
        if record.sha256 is not None:
            return Identity(record.name, sha256=record.sha256)
        return Identity(record.qualified, version=record.version or None)

    @overload
    def load(self, group: Literal["tasks"], name: str, version: str | None = None) -> type[Task]: ...
    @overload
    def load(self, group: Literal["methods"], name: str, version: str | None = None) -> type[Method]: ...
    @overload
    def load(self, group: Literal["perturbations"], name: str, version: str | None = None) -> type[Perturbation]: ...

    def load(self, group: Group, name: str, version: str | None = None) -> type:
        """The class that `name` stands for; imports that one alone.

        `version` is that of the distribution that a run used: an error says it where the distribution is not there. Any
        other is loaded too. Raises UserError where the plugin cannot be used.
        """
        record = self._resolve(group, name, version)
        if not self._import(record):
            raise UserError(
                f"{group[:-1]} {name!r} cannot be used: {self._failures[record.key]} "
                f"({record.target} of {record.origin}); repair, upgrade or uninstall {record.distribution}"
            )
        cls: type = self._loaded[record.key]
        return cls

    def task(self, name: str, version: str | None = None) -> Task:
        """The task `name`, made; see `load`. Raises UserError, and PluginError where making it fails."""
        from xrobust.contracts.calling import blamed, calling
        from xrobust.registry.plugin_class import declaration_problem

        cls = self.load("tasks", name, version)
        with calling(cls, "__init__"):
            task = cls()
            if problem := declaration_problem(task):
                raise blamed(cls, "declaration", "", problem)
        return task

    def check_all(self) -> list[PluginRecord]:
        """Every plugin and observer, each really imported; `problem` says what is wrong with it, if anything is."""
        found = [record for group in (*GROUPS, OBSERVERS) for record in self._found(group)]
        for record in found:
            self._import(record)
        others = [_bundle(r) for r in self._installed if r.group not in (*GROUPS, OBSERVERS)]
        return [self._complete(record) for record in found] + others

    def observers(self, extra: Iterable[Any] = (), named: Iterable[tuple[str, Any]] = ()) -> Observers:
        """The observers for one run: installed ones, those in plugin files, the `extra` objects of a Python caller, and
        `named` ones of xrobust's own with their names.

        An installed one that is broken is noted in `Observers.failed`, one in the former group warned of. Raises
        UserError for a broken `extra`.
        """
        chosen: list[tuple[str, Any]] = []
        for i, observer in enumerate(extra):
            if problem := hook_problem(observer):
                raise UserError(f"observer {observer!r}: {problem}")
            chosen.append((f"{getattr(observer, '__name__', type(observer).__name__)} (argument {i})", observer))
        found = self._found(OBSERVERS)
        usable = [(record.qualified, self._loaded[record.key]) for record in found if self._import(record)]
        observers = Observers([*usable, *chosen, *named])
        for record in found:
            if record.key in self._failures:
                observers.fail(record.qualified, self._failures[record.key])
        return observers

    @cached_property
    def _installed(self) -> list[PluginRecord]:
        """Every plugin that a distribution declares, as scanned.

        An editable install is found twice where its source folder is on the path: the first counts, as for an import.
        """
        first: dict[tuple[str, str, str], PluginRecord] = {}
        for record in installed():
            first.setdefault(record.key, record)
        return list(first.values())

    def _found(self, group: str) -> list[PluginRecord]:
        """The plugins of a group, as scanned: without what importing finds out, and who else has the name."""
        records = [r for r in (*self._installed, *self._from_files) if r.group == group]
        for record in records:
            if record.former_group:
                _warn_of_former_group(record.distribution)
        return sorted(records, key=lambda r: (r.name, r.distribution != CORE, canonical(r.distribution)))

    def _resolve(self, group: Group, name: str, version: str | None = None) -> PluginRecord:
        """The record of a name, as scanned."""
        found = self._found(group)
        distribution, _, short = name.rpartition("/")
        matches = [r for r in found if r.name == short]
        if distribution:
            matches = [r for r in matches if canonical(r.distribution) == canonical(distribution)]
        else:
            matches = [r for r in matches if r.distribution == CORE] or matches
        if not matches and distribution and not self._has(distribution):
            pinned = f"{distribution}=={version}" if version else distribution
            raise UserError(
                f"{group[:-1]} {name!r} comes from the package {distribution}, which is not installed: "
                f"install it, if you trust it (pip install {pinned})"
            )
        if not matches:
            known = [r.qualified if distribution else r.name for r in found]
            raise UserError(f"unknown {group[:-1]} {shown(name)}: {did_you_mean(name, known)}")
        if len(matches) > 1:
            choices = " or ".join(repr(r.qualified) for r in matches)
            raise UserError(f"{group[:-1]} {name!r} is in {len(matches)} distributions: ask for {choices}")
        return matches[0]

    def _has(self, distribution: str) -> bool:
        """True if a distribution, or a plugin file, of that name has any plugin."""
        records = (*self._installed, *self._from_files)
        return any(canonical(record.distribution) == canonical(distribution) for record in records)

    def _complete(self, record: PluginRecord) -> PluginRecord:
        """The record with what is known by now: the summary, why it cannot be used, or who else has its name."""
        summary = record.summary
        if record.key in self._loaded and record.group != OBSERVERS:
            summary = self._loaded[record.key].info.summary
        if failure := self._failures.get(record.key) or record.problem:
            return replace(record, summary=summary, problem=failure)
        taken = self._taken(record)
        name = record.qualified if taken else record.name
        return replace(record, summary=summary, problem=taken, usable_as=name)

    def _taken(self, record: PluginRecord) -> str | None:
        """Who has the record's short name, unless it is the record's own. Observers are not asked for by name."""
        if record.group == OBSERVERS or record.distribution == CORE:
            return None
        rivals = [r.distribution for r in self._found(record.group) if r.name == record.name and r.key != record.key]
        if not rivals:
            return None
        return f"name taken by {CORE if CORE in rivals else ' and '.join(rivals)}; ask for it as {record.qualified}"

    def _import(self, record: PluginRecord) -> bool:
        """Imports a plugin inside a guard, once. False where it cannot be used; `_failures` then has the reason."""
        from xrobust.contracts.calling import working_folder_kept

        key = record.key
        if key not in self._loaded and key not in self._failures:
            try:
                if record.problem:
                    raise Unusable(record.problem)
                with working_folder_kept():
                    loaded = importlib.metadata.EntryPoint(record.name, record.target, record.group).load()
                if problem := hook_problem(loaded) if record.group == OBSERVERS else _class_problem(loaded, record):
                    raise Unusable(problem)
                self._loaded[key] = loaded
            except KeyboardInterrupt:
                raise
            except Unusable as error:
                self._failures[key] = str(error)
            except BaseException as error:  # a plugin may raise anything when imported, SystemExit included
                self._failures[key] = f"importing it raised {one_line(error)}{_place(error)}"
        return key in self._loaded

    def _add_file(self, source: PluginSource) -> None:
        """Takes every plugin that a file defines. Raises UserError."""
        from xrobust.registry.plugin_file import plugins_in

        for record, plugin in plugins_in(source):
            rivals = [r for r in self._found(record.group) if r.name == record.name and record.group != OBSERVERS]
            if rivals:
                raise UserError(
                    f"{record.target}: the {record.group[:-1]} name {record.name!r} is taken by {rivals[0].origin}: "
                    f"give class {plugin.__name__} another `info.name`"
                )
            self._from_files.append(record)
            self._loaded[record.key] = plugin


def _sources(files: Sequence[Path | PluginSource]) -> list[PluginSource]:
    """The content of plugin files, each once. Raises UserError."""
    if not files:
        return []
    from xrobust.registry.plugin_file import PluginSource, read_source

    found = [file if isinstance(file, PluginSource) else read_source(Path(file)) for file in files]
    return list({source.place: source for source in found}.values())


@cache  # once in a process
def _warn_of_former_group(distribution: str) -> None:
    logger.warning(
        "%s: its observers are in entry-point group xrobust.plugins, which is called xrobust.observers now: "
        "upgrade it, or rename the group in its pyproject.toml",
        distribution,
    )


class Unusable(Exception):
    """A plugin cannot be used; the message says why."""


def _place(error: BaseException) -> str:
    """` (file.py:12)`: where an import failed, as far as Python knows."""
    if isinstance(error, SyntaxError):
        return f" ({Path(error.filename or '?').name}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _imports(frame.filename)]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _imports(filename: str) -> bool:
    """True for a file of what imports a plugin: this module, and Python's own machinery."""
    machinery = Path(importlib.metadata.__file__).parents[1]
    return filename == __file__ or filename.startswith("<frozen") or Path(filename).is_relative_to(machinery)


def _bundle(record: PluginRecord) -> PluginRecord:
    """The record of a bundle, or of an entry point in no group of ours, with what is wrong with it."""
    from xrobust.registry.bundles import bundle_folder

    if record.problem or bundle_folder(record.target):
        return record
    return replace(record, problem=f"there is no package {record.target}")


def _class_problem(loaded: Any, record: PluginRecord) -> str | None:
    """Why what an entry point names is not the plugin that it should be, or None."""
    from xrobust.registry.plugin_class import class_problem

    base, _ = contract(record.group)
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        return f"it is not a subclass of xrobust.contracts.{base.__name__}"
    if problem := class_problem(loaded, record.group):
        return problem
    name = loaded.info.name  # type: ignore[attr-defined]
    return None if name == record.name else f"its info.name is {name!r} but its entry point {record.name!r}"
