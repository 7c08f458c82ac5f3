"""Calls into plugins: what a plugin raises becomes one line that names the plugin, what was called, and where."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from xrobust.contracts.perturbation import NotCovered
from xrobust.errors import PluginError, RunError, UserError, one_line, shown

PASSED = (UserError, RunError, NotCovered, KeyboardInterrupt)
"""Exceptions that say of themselves what they are about: a plugin raises the first three on purpose."""
TYPES = {
    "xrobust.contracts.task.Task": "task",
    "xrobust.contracts.method.Method": "method",
    "xrobust.contracts.perturbation.Perturbation": "perturbation",
    "xrobust.contracts.metric.Metric": "metric",
    "xrobust.contracts.kind.Kind": "kind of task",
}
"""Base classes by name: kept rows go by the code that made them, and an edit of one of these would make all anew."""


class calling:
    """A context around a call into a plugin. Raises PluginError for whatever the plugin raises, SystemExit,
    GeneratorExit and MemoryError included.

    UserError, RunError and NotCovered, which a plugin may raise on purpose, pass as they are; so does an interrupt. The
    working folder is afterwards what it was.

        with calling(perturbation, "apply", "example en:3 of en"):
            after = perturbation.apply(example, language, rng)
    """

    # A class and not a generator: one is entered for each example of a test set.
    __slots__ = ("folder", "plugin", "step", "unless", "where")

    def __init__(
        self, plugin: object, step: str, where: object = "", unless: Callable[[Exception], bool] | None = None
    ) -> None:
        """Takes what is called and where.

        Args:
            plugin: the task, method, perturbation, metric or kind, an object or its class.
            step: name of what is called, as its author knows it: `apply`, `objective`, `statistics`.
            where: place in the run, in a few words: "step 12", "example en:3 of en"; or an object that says it when it
                is turned into a string.
            unless: true for an exception that is to pass as it is: a GPU's memory that does not suffice.
        """
        self.plugin = plugin
        self.step = step
        self.where = where
        self.unless = unless

    def __enter__(self) -> None:
        self.folder = _working_folder()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _return_to(self.folder)
        if error is None or isinstance(error, PASSED):
            return
        if self.unless is not None and isinstance(error, Exception) and self.unless(error):
            return
        raise blamed(self.plugin, self.step, self.where, one_line(error) + _line(self.plugin, error)) from error


@contextlib.contextmanager
def working_folder_kept() -> Iterator[None]:
    """A context after which the working folder is what it was: relative paths of the run would mean others."""
    folder = _working_folder()
    try:
        yield
    finally:
        _return_to(folder)


def _working_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - at each example of a test set: a Path takes several times as long
    except OSError:  # it was deleted
        return None


def _return_to(folder: str | None) -> None:
    if folder is not None and _working_folder() != folder:
        with contextlib.suppress(OSError):  # it was deleted
            os.chdir(folder)


def blamed(plugin: object, step: str, where: object, problem: str) -> PluginError:
    """The error for a plugin that did something wrong: `method 'x' (package): its objective at step 3: ...`."""
    at = f" at {where}" if where else ""
    return PluginError(f"{plugin_name(plugin)}: its {step} failed{at}: {problem}")


def said_by(plugin: object, step: str, where: object, said: object) -> str | None:
    """A problem that a plugin gave: a few words, or None. Raises PluginError for anything else."""
    if said is not None and not isinstance(said, str):
        raise blamed(plugin, step, where, f"it returned {shown(said)}; a reason in a few words, or None, is expected")
    return said


def plugin_name(plugin: object) -> str:
    """A plugin for a message: what it is, its name, and the package or file that it comes from if not xrobust's."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    bases = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    what = next((TYPES[base] for base in bases if base in TYPES), "plugin")
    name = getattr(getattr(plugin, "info", None), "name", None) or getattr(plugin, "name", None) or cls.__name__
    if is_built_in(plugin):
        return f"{what} {name!r}"
    origin = package = cls.__module__.partition(".")[0]
    if package.startswith("xrobust_plugin_"):  # a single file (xrobust.registry.plugin_file)
        origin = Path(_file(cls) or package).name
    return f"{what} {name!r} ({origin})"


def is_built_in(plugin: object) -> bool:
    """True for a plugin, an object or its class, that comes with xrobust."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    return cls.__module__.partition(".")[0] in ("xrobust", "xrobust_tasks", "xrobust_methods")


def _file(cls: type) -> str | None:
    return getattr(sys.modules.get(cls.__module__), "__file__", None)


def _line(plugin: object, error: BaseException) -> str:
    """` (file.py:12)`: the innermost line of the plugin's own file at which an error came up."""
    file = _file(plugin if isinstance(plugin, type) else type(plugin))
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({Path(file).name}:{lines[-1]})" if file and lines else ""
