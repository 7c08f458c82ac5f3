"""Plugins from a single file (`--plugin ./my_method.py`), no package needed."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from xrobust.errors import UserError, one_line
from xrobust.registry.record import GROUPS, OBSERVERS, PluginRecord, contract, info_problem
from xrobust.runtime.observers import hook_problem, implements_hooks
from xrobust.storage.regular_file import require_regular


@dataclass(frozen=True)
class PluginSource:
    """A plugin file as it was read: what is hashed is what is executed."""

    path: Path
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """sha256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def place(self) -> Path:
        """The absolute path."""
        return self.path.resolve()


def read_source(path: Path) -> PluginSource:
    """Reads a plugin file. Raises UserError where it cannot be read."""
    require_regular(path)
    try:
        return PluginSource(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: the plugin file cannot be read: {error.strerror or error}") from error


def plugins_in(source: PluginSource) -> list[tuple[PluginRecord, Any]]:
    """The plugins that a file defines, with records: tasks, methods, perturbations and hook implementations.

    Raises UserError for a file that cannot be run, that defines no plugin, or one that cannot be used.
    """
    path, module = source.path, _run(source)
    found = [*_classes(path, module), *_observers(path, module)]
    if not found:
        raise UserError(
            f"{path}: defines no plugin; it needs a subclass of Task, Method or Perturbation (xrobust.contracts), "
            f"or functions marked with xrobust.hookimpl"
        )
    return [
        (PluginRecord(group, name, str(path), "", place, summary, sha256=source.sha256), plugin)
        for group, name, place, summary, plugin in found
    ]


Found = tuple[str, str, str, str, Any]
"""Group, name, place, summary, and the plugin itself."""


def _run(source: PluginSource) -> ModuleType:
    """Runs a file as a module of its own.

    The module's name is made of path and content, so that a file taken twice in one process is one module, and the same
    in each process of a run. The file is compiled here, not imported: a stale `.pyc` can never be what runs.
    """
    path = source.path
    identity = hashlib.sha256(str(source.place).encode() + b"\0" + source.content).hexdigest()[:16]
    name = f"xrobust_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look their module up there
    try:
        exec(compile(source.content, str(path), "exec"), module.__dict__)
    except BaseException as error:  # a plugin may raise anything when imported, SystemExit included
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _failed_line(error, str(path))
        raise UserError(f"{path}{f':{line}' if line else ''}: the plugin fails: {one_line(error)}") from error
    return module


def _failed_line(error: BaseException, filename: str) -> int | None:
    """The line of a file at which running it failed: the innermost one of that file."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return lines[-1] if lines else None


def _classes(path: Path, module: ModuleType) -> Iterator[Found]:
    """The plugin classes of a file. One without `info` that others derive from is their base, not a plugin."""
    own = _own_classes(module)
    seen: dict[tuple[str, str], type] = {}
    for cls in own:
        for group in GROUPS:
            if not issubclass(cls, contract(group)[0]):
                continue
            place = _place(path, cls)
            if problem := info_problem(cls, group):
                if not hasattr(cls, "info") and any(issubclass(other, cls) for other in own if other is not cls):
                    continue
                raise UserError(f"{place}: {problem}")
            info: Any = cls.info  # type: ignore[attr-defined]
            if rival := seen.get((group, info.name)):
                raise UserError(f"{place}: {rival.__name__} and {cls.__name__} are both called {info.name!r}")
            seen[group, info.name] = cls
            yield group, info.name, place, info.summary, cls


def _observers(path: Path, module: ModuleType) -> Iterator[Found]:
    """The file's hook implementations: its functions, together, and each class that has some."""
    if implements_hooks(module):
        yield OBSERVERS, path.stem, str(path), *_checked(module, str(path))
    for cls in _own_classes(module):
        if implements_hooks(cls):
            place = _place(path, cls)
            yield OBSERVERS, cls.__name__, place, *_checked(cls, place)


def _checked(observer: Any, place: str) -> tuple[str, Any]:
    """The summary of an observer and itself. Raises UserError where a hook is misspelt."""
    if problem := hook_problem(observer):
        raise UserError(f"{place}: {problem}")
    return (inspect.getdoc(observer) or "").partition("\n")[0], observer


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
