"""The observers of a run: pluggy hook implementations, each called in isolation."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xrobust.errors import did_you_mean, one_line

if TYPE_CHECKING:
    import pluggy

logger = logging.getLogger(__name__)


class Observers:
    """Calls every observer of a run. One that raises is logged once, dropped, and noted in `failed`.

    Every observer has a plugin manager of its own: pluggy calls the implementations of one manager in a chain, where an
    exception in one keeps the others from being called.
    """

    def __init__(self, observers: Iterable[tuple[str, Any]] = ()) -> None:
        """`observers` are pairs of a name to show and a module, an object or a class with hook implementations."""
        from xrobust.contracts.calling import working_folder_kept

        self.failed: dict[str, str] = {}
        """Name of an observer -> reason that it is not called."""
        self._run = {"run_id": "", "folder": ""}
        self._active: list[tuple[str, pluggy.PluginManager]] = []
        for name, observer in observers:
            try:
                with working_folder_kept():
                    instance = observer() if isinstance(observer, type) else observer
                self._active.append((name, _manager(instance)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin may raise anything, SystemExit included
                self.fail(name, str(error) if isinstance(error, HookError) else one_line(error))

    def fail(self, name: str, reason: str) -> None:
        """Notes and logs that an observer is not called, or no longer."""
        self.failed[name] = reason
        logger.warning("observer %s is left out: %s", name, reason)

    def watch(self, run_id: str, folder: str) -> None:
        """Sets the run that every hook is told of from now on."""
        self._run = {"run_id": run_id, "folder": folder}

    def call(self, hook: str, **arguments: Any) -> None:
        """Calls `hook` (a name in `xrobust.contracts.hooks`) of every observer, with arguments of its own to keep.

        `run_id` and `folder` are those of the run that is watched. Raises AttributeError for a hook that does not
        exist, whether or not anyone listens.
        """
        from xrobust.contracts import hooks as hookspecs
        from xrobust.contracts.calling import working_folder_kept

        getattr(hookspecs, hook)
        for entry in list(self._active):
            name, manager = entry
            try:
                with working_folder_kept():
                    getattr(manager.hook, hook)(**self._run, **copy.deepcopy(arguments))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever an observer raises, it must never end a run
                self._active.remove(entry)
                self.fail(name, f"{hook} raised {one_line(error)}")
                logger.debug("traceback of observer %s", name, exc_info=True)


class HookError(Exception):
    """An object cannot observe a run; the message says why."""


def hook_problem(observer: Any) -> str | None:
    """Reason that a module, object or class cannot observe a run, or None. A class is not instantiated."""
    try:
        _manager(observer)
    except HookError as error:
        return str(error)
    return None


def implements_hooks(observer: Any) -> bool:
    """True if any attribute of `observer` is marked with `hookimpl`, under whatever name."""
    import pluggy

    from xrobust.contracts.hooks import PROJECT

    manager = pluggy.PluginManager(PROJECT)
    return any(manager.parse_hookimpl_opts(observer, name) is not None for name in dir(observer))


def _manager(observer: Any) -> pluggy.PluginManager:
    """A manager with `observer` as its only plugin. Raises HookError."""
    import pluggy

    from xrobust.contracts import hooks as hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    hooks = [name for name in vars(manager.hook) if not name.startswith("_")]
    try:
        manager.register(observer, name="it")
        callers = manager.get_hookcallers(observer)
        # `check_pending` refuses these too, but its message cannot name the hook that was meant.
        for caller in callers or ():
            if not caller.has_spec():
                raise HookError(f"unknown hook {caller.name!r}: {did_you_mean(caller.name, hooks)}")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise HookError(" ".join(str(error).split())) from error
    if not callers:
        raise HookError("it implements no hook: mark its functions with xrobust.hookimpl")
    return manager
