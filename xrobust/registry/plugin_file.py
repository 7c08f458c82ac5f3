"""Plugins from a single file (`--plugin ./my_method.py`), no package needed."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import importlib.util
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

from xrobust.contracts.calling import calling, working_folder_kept
from xrobust.errors import UserError, one_line
from xrobust.registry.plugin_class import class_problem
from xrobust.registry.record import GROUPS, OBSERVERS, PluginRecord, contract
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


def read_source(file: str | Path) -> PluginSource:
    """Reads a plugin file. Raises UserError where it cannot be read."""
    path = Path(file)
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
    _require_no_neighbours(path, source.content)
    identity = hashlib.sha256(str(source.place).encode() + b"\0" + source.content).hexdigest()[:16]
    name = f"xrobust_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look their module up there
    try:
        with working_folder_kept():
            exec(compile(source.content, str(path), "exec"), module.__dict__)
    except BaseException as error:  # a plugin may raise anything when imported, SystemExit included
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _failed_line(error, str(path))
        raise UserError(f"{path}{f':{line}' if line else ''}: the plugin fails: {one_line(error)}") from error
    return module


def _require_no_neighbours(path: Path, source: bytes) -> None:
    """Raises UserError for an import of a module that lies beside the file: nobody named it, and no hash covers it.

    What is installed may lie there too, as in the folder of a package that is installed to be edited.
    """
    with contextlib.suppress(SyntaxError, ValueError):  # running it says so
        for node in ast.walk(ast.parse(source)):
            for name in _imported(node):
                if _lies_in(path.parent, name) and not importlib.metadata.packages_distributions().get(name):
                    raise UserError(
                        f"{path}:{node.lineno}: imports {name}, which lies beside it: a plugin file stands alone; put "  # type: ignore[attr-defined]
                        f"what it needs of {name} into it, or make a package of both"
                    )


def _imported(node: ast.AST) -> list[str]:
    """Top-level names of the modules that a statement imports; of a relative import, of what lies beside the file."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    return [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]


def _lies_in(folder: Path, module: str) -> bool:
    """True if a module is found in a folder, or would be if the folder were on the path."""
    if not ((folder / f"{module}.py").is_file() or (folder / module).is_dir()) or module in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    return spec is None or any(Path(place).resolve().is_relative_to(folder.resolve()) for place in places)


def _failed_line(error: BaseException, filename: str) -> int | None:
    """The line of a file at which running it failed: the innermost one of that file."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return lines[-1] if lines else None


def _classes(path: Path, module: ModuleType) -> Iterator[Found]:
    """The plugin classes of a file. One without `info`, or abstract, that others derive from is their base."""
    own = _own_classes(module)
    seen: dict[tuple[str, str], type] = {}
    for cls in own:
        for group in GROUPS:
            if not issubclass(cls, contract(group)[0]):
                continue
            place = _place(path, cls)
            if _is_base(cls) and any(issubclass(other, cls) for other in own if other is not cls):
                continue
            with calling(cls, "declaration"):
                if problem := class_problem(cls, group):
                    raise UserError(f"{place}: {problem}")
            info: Any = cls.info  # type: ignore[attr-defined]
            if rival := seen.get((group, info.name)):
                raise UserError(f"{place}: {rival.__name__} and {cls.__name__} are both called {info.name!r}")
            seen[group, info.name] = cls
            yield group, info.name, place, info.summary, cls


def _is_base(cls: type) -> bool:
    return not hasattr(cls, "info") or bool(getattr(cls, "__abstractmethods__", ()))


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
