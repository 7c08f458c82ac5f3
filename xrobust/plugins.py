"""Finds plugins by entry point and by file, imports the one that is asked for, and isolates the broken ones.

A plugin is a class named in entry-point group `xrobust.tasks`, `xrobust.methods` or `xrobust.perturbations` of an
installed distribution, or defined in a file given by `--plugin`; observers are in group `xrobust.plugins`. The built-in
plugins come in the same way; their one privilege is that they keep their short names.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, overload

from xrobust.errors import UserError, did_you_mean
from xrobust.observers import Observers, hook_problem, implements_hooks, one_line

if TYPE_CHECKING:
    from xrobust.contracts import Method, Perturbation, Task

Group = Literal["tasks", "methods", "perturbations"]
GROUPS: tuple[Group, ...] = ("tasks", "methods", "perturbations")
OBSERVERS = "plugins"
"""The entry-point group of observers, less its prefix."""
CORE = "xrobust"
PREFIX = "xrobust."
NAME = re.compile(r"[a-z0-9_]+")
TARGET = re.compile(r"[\w.]+:[\w.]+")


@dataclass(frozen=True)
class PluginRecord:
    """What is known of a plugin, most of it without importing it."""

    group: str
    name: str
    distribution: str
    """Name of the installed distribution, or the path of a plugin file as it was given."""
    version: str
    """Empty for a file."""
    target: str
    """`module:attribute`, as the entry point says; for a file, its path and the class."""
    summary: str = ""
    problem: str | None = None
    """Why it cannot be used, or not by its short name."""
    sha256: str | None = None
    """Of a plugin file's content."""

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
        """What tells two plugins apart."""
        return self.group, canonical(self.distribution), self.name


class Plugins:
    """The plugins that are installed, and those in `files`.

    Metadata is read once, on first use; nothing but `files` is imported before it is asked for.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        """Raises UserError for a file that fails to import, defines no plugin, or takes a name that is taken."""
        self._loaded: dict[tuple[str, str, str], Any] = {}
        self._failures: dict[tuple[str, str, str], str] = {}
        self._file_records: list[PluginRecord] = []
        for path in {Path(file).resolve(): Path(file) for file in files}.values():
            self._add_file(path)

    def records(self, group: Group) -> list[PluginRecord]:
        """All plugins of a group by name, from their metadata. Only built-in ones are imported, for their summaries."""
        found = self._found(group)
        for record in found:
            if record.distribution == CORE:
                self._import(record)
        return [self._complete(record) for record in found]

    def record(self, group: Group, name: str) -> PluginRecord:
        """What `name` (short, or `distribution/name`) stands for. Raises UserError where it is unknown or ambiguous."""
        found = self._found(group)
        distribution, _, short = name.rpartition("/")
        if distribution:
            matches = [r for r in found if r.name == short and canonical(r.distribution) == canonical(distribution)]
        else:
            matches = [r for r in found if r.name == name]
            matches = [r for r in matches if r.distribution == CORE] or matches
        if not matches:
            known = {r.name for r in found} if not distribution else {r.qualified for r in found}
            raise UserError(f"unknown {group[:-1]} {name!r}: {did_you_mean(name, known)}")
        if len(matches) > 1:
            choices = " or ".join(repr(r.qualified) for r in matches)
            raise UserError(f"{group[:-1]} {name!r} is in {len(matches)} distributions: ask for {choices}")
        return self._complete(matches[0])

    @overload
    def load(self, group: Literal["tasks"], name: str) -> type[Task]: ...
    @overload
    def load(self, group: Literal["methods"], name: str) -> type[Method]: ...
    @overload
    def load(self, group: Literal["perturbations"], name: str) -> type[Perturbation]: ...

    def load(self, group: Group, name: str) -> type:
        """The class that `name` stands for; imports that one alone. Raises UserError where it cannot be used."""
        record = self.record(group, name)
        if not self._import(record):
            failure = self._failures[record.key]
            raise UserError(
                f"{group[:-1]} {name!r} cannot be used: {failure} ({record.target} of {record.origin}); "
                f"repair, upgrade or uninstall {record.distribution}"
            )
        cls: type = self._loaded[record.key]
        return cls

    def check_all(self) -> list[PluginRecord]:
        """Every plugin and observer, each really imported; `problem` says what is wrong with it, if anything is."""
        found = [record for group in (*GROUPS, OBSERVERS) for record in self._found(group)]
        for record in found:
            self._import(record)
        return [*(self._complete(record) for record in found), *self._misfits]

    def observers(self, extra: Iterable[Any] = ()) -> Observers:
        """The observers for one run: installed ones, those in plugin files, and the `extra` objects of a Python caller.

        An installed one that is broken is noted in `Observers.failed`. Raises UserError for a broken `extra`.
        """
        extra = list(extra)
        for observer in extra:
            if problem := hook_problem(observer):
                raise UserError(f"observer {observer!r}: {problem}")
        found = self._found(OBSERVERS)
        usable = [record for record in found if self._import(record)]
        observers = Observers(
            [
                *((record.qualified, self._loaded[record.key]) for record in usable),
                *((f"{getattr(o, '__name__', type(o).__name__)} (argument {i})", o) for i, o in enumerate(extra)),
            ]
        )
        for record in found:
            if record.key in self._failures:
                observers.fail(record.qualified, self._failures[record.key])
        return observers

    def _found(self, group: str) -> list[PluginRecord]:
        """The records of a group, as scanned: without summaries of built-ins, problems and what importing finds."""
        records = [r for r in (*self._installed, *self._file_records) if r.group == group]
        return sorted(records, key=lambda r: (r.name, r.distribution != CORE, canonical(r.distribution)))

    def _complete(self, record: PluginRecord) -> PluginRecord:
        """The record with what is known by now: the summary, why importing failed, or who else has its name."""
        cls = self._loaded.get(record.key)
        summary = cls.info.summary if cls is not None and record.group != OBSERVERS else record.summary
        problem = self._failures.get(record.key) or self._taken(record)
        return replace(record, summary=summary, problem=problem)

    def _taken(self, record: PluginRecord) -> str | None:
        """Who has the record's short name, unless it is the record's own. Observers are not asked for by name."""
        if record.group == OBSERVERS or record.distribution == CORE:
            return None
        rivals = [r.distribution for r in self._found(record.group) if r.name == record.name and r.key != record.key]
        if not rivals:
            return None
        owner = CORE if CORE in rivals else " and ".join(rivals)
        return f"name taken by {owner}; ask for it as {record.qualified}"

    def _import(self, record: PluginRecord) -> bool:
        """Imports a plugin inside a guard, once. False where it cannot be used; `_failures` then has the reason."""
        key = record.key
        if key not in self._loaded and key not in self._failures:
            check = hook_problem if record.group == OBSERVERS else _class_check(record)
            loaded, failure = (None, record.problem) if record.problem else _import_target(record.target, check)
            if failure is None:
                self._loaded[key] = loaded
            else:
                self._failures[key] = failure
        return key in self._loaded

    @cached_property
    def _installed(self) -> list[PluginRecord]:
        return self._scan[0]

    @property
    def _misfits(self) -> list[PluginRecord]:
        return self._scan[1]

    @cached_property
    def _scan(self) -> tuple[list[PluginRecord], list[PluginRecord]]:
        """Plugins in the metadata of installed distributions, and entries in no group that there is."""
        found: dict[tuple[str, str, str], PluginRecord] = {}
        misfits: dict[tuple[str, str, str], PluginRecord] = {}
        for record in _entry_points():
            # An editable install is found twice where its source folder is on the path: the first one counts, as it
            # does for an import.
            (found if record.group in (*GROUPS, OBSERVERS) else misfits).setdefault(record.key, record)
        return list(found.values()), list(misfits.values())

    def _add_file(self, path: Path) -> None:
        """Takes every plugin that a file defines. Raises UserError."""
        module, sha256 = _import_file(path)
        classes = list(_plugin_classes(path, module))
        for group, cls in classes:
            for rival in self._found(group):
                if rival.name == cls.info.name:
                    raise UserError(
                        f"{_place(path, cls)}: the {group[:-1]} name {cls.info.name!r} is taken by {rival.origin}: "
                        f"give class {cls.__name__} another `info.name`"
                    )
            target = f"{path}:{cls.__name__}"
            record = PluginRecord(group, cls.info.name, str(path), "", target, cls.info.summary, sha256=sha256)
            self._file_records.append(record)
            self._loaded[record.key] = cls
        places: list[tuple[Any, str, str]] = [(module, str(path), path.stem)]
        places += [(cls, _place(path, cls), cls.__name__) for cls in _own_classes(module)]
        observers = [place for place in places if implements_hooks(place[0])]
        for observer, where, name in observers:
            if problem := hook_problem(observer):
                raise UserError(f"{where}: {problem}")
            record = PluginRecord(OBSERVERS, name, str(path), "", where, _summary(observer), sha256=sha256)
            self._file_records.append(record)
            self._loaded[record.key] = observer
        if not classes and not observers:
            raise UserError(
                f"{path}: defines no plugin; it needs a subclass of Task, Method or Perturbation (xrobust.contracts), "
                f"or functions marked with xrobust.hookimpl"
            )


def canonical(distribution: str) -> str:
    """A distribution's name in the spelling that all its spellings share (PyPA name normalisation)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _entry_points() -> Iterator[PluginRecord]:
    """A record for each entry point of ours. What is wrong with its metadata is its `problem`.

    Distributions are read one by one: `importlib.metadata.entry_points` raises for all when the file of one is garbled.
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
        for entry in entries:
            if entry.group.startswith(PREFIX):
                group = entry.group.removeprefix(PREFIX)
                problem = _entry_problem(group, entry)
                yield PluginRecord(group, entry.name, name, version, entry.value, summary, problem)


def _about(distribution: importlib.metadata.Distribution) -> tuple[str, str, str]:
    """Name, version and summary of a distribution, whose METADATA may be missing."""
    try:
        metadata = distribution.metadata
        name, version = metadata["Name"] or "unknown", metadata["Version"] or ""
        # A built-in plugin says what it is for itself; the summary of the whole would say nothing of it.
        return name, version, "" if name == CORE else metadata["Summary"] or ""
    except Exception:
        return "unknown", "", ""


def _entry_problem(group: str, entry: importlib.metadata.EntryPoint) -> str | None:
    """What is wrong with an entry point, that can be seen without importing it."""
    if group not in (*GROUPS, OBSERVERS):
        hint = did_you_mean(entry.group, [PREFIX + g for g in (*GROUPS, OBSERVERS)])
        return f"unknown entry-point group {entry.group!r}: {hint}"
    if group != OBSERVERS and not NAME.fullmatch(entry.name):
        return f"its name may have lower-case letters, digits and underscores only: {entry.name!r}"
    if group != OBSERVERS and not TARGET.fullmatch(entry.value):
        return f"its entry point is not of the form module:Class: {entry.value!r}"
    return None


def _import_target(target: str, check: Callable[[Any], str | None]) -> tuple[Any, str | None]:
    """Imports `module:attribute` (or a module) and checks it. Returns it and why it cannot be used, one being None."""
    try:
        loaded = importlib.metadata.EntryPoint(name="", value=target, group="").load()
        problem = check(loaded)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything when imported, SystemExit included
        return None, f"failed to import: {one_line(error)}"
    return (None, problem) if problem else (loaded, None)


def _class_check(record: PluginRecord) -> Callable[[Any], str | None]:
    def check(loaded: Any) -> str | None:
        base, info = _contract(record.group)
        if not (isinstance(loaded, type) and issubclass(loaded, base)):
            return f"it is not a subclass of xrobust.contracts.{base.__name__}"
        if problem := _info_problem(loaded, info):
            return problem
        if loaded.info.name != record.name:  # type: ignore[attr-defined]
            return f"its info.name is {loaded.info.name!r} but its entry point {record.name!r}"  # type: ignore[attr-defined]
        return None

    return check


def _contract(group: str) -> tuple[type, type]:
    """The base class of a group's plugins, and the class of their `info`."""
    from xrobust import contracts

    return {
        "tasks": (contracts.Task, contracts.TaskInfo),
        "methods": (contracts.Method, contracts.MethodInfo),
        "perturbations": (contracts.Perturbation, contracts.PerturbationInfo),
    }[group]


def _info_problem(cls: Any, info: type) -> str | None:
    if not isinstance(getattr(cls, "info", None), info):
        return f"class {cls.__name__} has no `info = {info.__name__}(...)`"
    return None


def _import_file(path: Path) -> tuple[ModuleType, str]:
    """Runs a plugin file as a module of its own. Returns it and the sha256 of the file. Raises UserError.

    The module's name is made of path and content, so that a file taken twice in one process is one module, and the same
    in each process of a run. The file is compiled here, not imported: a stale `.pyc` can never be what runs.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the plugin file cannot be read: {error.strerror or error}") from error
    sha256 = hashlib.sha256(source).hexdigest()
    place = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()[:16]
    name = f"xrobust_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{place}"
    if name in sys.modules:
        return sys.modules[name], sha256
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look their module up there
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException as error:  # a plugin may raise anything when imported, SystemExit included
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _failed_line(error, str(path))
        raise UserError(f"{path}{f':{line}' if line else ''}: the plugin fails: {one_line(error)}") from error
    return module, sha256


def _failed_line(error: BaseException, filename: str) -> int | None:
    """The line of a file at which running it failed: the innermost one of that file."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return lines[-1] if lines else None


def _plugin_classes(path: Path, module: ModuleType) -> Iterator[tuple[Group, Any]]:
    """The plugin classes that a module defines itself, with their groups. Raises UserError.

    A class without `info` that others in the file derive from is their base, not a plugin.
    """
    own = _own_classes(module)
    seen: dict[tuple[str, str], type] = {}
    for cls in own:
        for group in GROUPS:
            base, info = _contract(group)
            if not issubclass(cls, base):
                continue
            if problem := _info_problem(cls, info):
                if any(issubclass(other, cls) for other in own if other is not cls):
                    continue
                raise UserError(f"{_place(path, cls)}: {problem}")
            name = cls.info.name  # type: ignore[attr-defined]
            if not NAME.fullmatch(name):
                raise UserError(
                    f"{_place(path, cls)}: a name may have lower-case letters, digits and underscores only: {name!r}"
                )
            if rival := seen.get((group, name)):
                raise UserError(f"{_place(path, cls)}: {rival.__name__} and {cls.__name__} are both called {name!r}")
            seen[group, name] = cls
            yield group, cls


def _own_classes(module: ModuleType) -> list[type]:
    """The classes that a module defines, not those it imports, each once."""
    mine = (v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__)
    return list(dict.fromkeys(mine))


def _place(path: Path, cls: type) -> str:
    """`file:line` of a class."""
    try:
        return f"{path}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return str(path)


def _summary(documented: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]
