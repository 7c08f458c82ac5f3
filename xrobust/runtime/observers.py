"""The observers of a run: pluggy hook implementations, each called in isolation."""

from __future__ import annotations

import copy
import logging
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from xrobust.errors import did_you_mean, one_line
from xrobust.runtime import signals

if TYPE_CHECKING:
    import pluggy

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0
"""Seconds that a run waits for an observer's hook before it leaves the observer out."""
STOPPING_SECONDS = 10.0
"""The same, after Ctrl-C or SIGTERM: schedulers give 30 seconds as a rule, and there is a checkpoint to write."""
WAITS = 60
"""Parts that the limit is waited in. A process that is stopped (Ctrl-Z) for an hour has used up one part, not all."""


class Synchronous:
    """Base of an observer that is called on the run's own thread, and waited for without a limit.

    For output to the terminal: a program waits for its terminal, which may be stopped (Ctrl-S), or a pager.
    """


class Observers:
    """Calls every observer of a run. One that raises, or takes longer than `LIMIT_SECONDS` over a hook, is logged once,
    dropped, and noted in `failed`.

    Every observer has a plugin manager of its own: pluggy calls the implementations of one manager in a chain, where an
    exception in one keeps the others from being called. All but `Synchronous` ones have a thread of their own too, on
    which a class is instantiated when the first hook is called. Threads are daemons: no exit waits for one that hangs.
    """

    def __init__(self, observers: Iterable[tuple[str, Any]] = ()) -> None:
        """`observers` are pairs of a name to show and a module, an object or a class with hook implementations."""
        self.failed: dict[str, str] = {}
        """Name of an observer -> reason that it is not called."""
        self._run = {"run_id": "", "folder": ""}
        self._active: list[tuple[str, _Listener]] = []
        for name, observer in observers:
            if problem := hook_problem(observer):
                self.fail(name, problem)
            else:
                listener = _Listener(observer) if isinstance(observer, Synchronous) else _ThreadedListener(observer)
                self._active.append((name, listener))

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
        exist, whether or not anyone listens; and KeyboardInterrupt, which leaves the observer in.
        """
        from xrobust.contracts import hooks as hookspecs
        from xrobust.contracts.calling import working_folder_kept

        getattr(hookspecs, hook)
        for entry in list(self._active):
            name, listener = entry
            try:
                with working_folder_kept():
                    listener.call(hook, {**self._run, **copy.deepcopy(arguments)})
            except _Dropped as dropped:  # whatever an observer does, it must never end a run
                self._active.remove(entry)
                self.fail(name, str(dropped))
                logger.debug("traceback of observer %s", name, exc_info=dropped.__cause__)


class _Dropped(Exception):
    """An observer is not to be called any more; the message says why."""


class _Listener:
    """An observer and its plugin manager."""

    def __init__(self, observer: Any) -> None:
        self._observer = observer
        self._manager: pluggy.PluginManager | None = None

    def call(self, hook: str, arguments: dict[str, Any]) -> None:
        """Calls a hook, if the observer has it. Raises _Dropped, and KeyboardInterrupt if the observer does."""
        try:
            if self._manager is None:
                self._manager = _manager(self._made())
            getattr(self._manager.hook, hook)(**arguments)
        except (KeyboardInterrupt, _Dropped):
            raise
        except HookError as error:
            raise _Dropped(str(error)) from error
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            raise _Dropped(f"{hook} raised {one_line(error)}") from error

    def _made(self) -> Any:
        try:
            return self._observer() if isinstance(self._observer, type) else self._observer
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _Dropped(one_line(error)) from error


class _ThreadedListener(_Listener):
    """An observer that is made and called on a thread of its own, which the first call starts."""

    def __init__(self, observer: Any) -> None:
        super().__init__(observer)
        self._todo: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._calls: deque[_Call] = deque()
        """Calls that were not waited for to the end: a signal may have cut the wait short."""
        self._started = False
        # The thread ends when nobody can call any more.
        weakref.finalize(self, self._todo.put, None).atexit = False

    def call(self, hook: str, arguments: dict[str, Any]) -> None:
        """See `_Listener`; a hook that takes longer than `LIMIT_SECONDS` raises _Dropped."""
        if not self._started:
            self._started = True
            threading.Thread(target=_serve, args=(self._todo,), name="xrobust observer", daemon=True).start()
        called = _Call(hook, lambda: super(_ThreadedListener, self).call(hook, arguments))
        self._calls.append(called)
        self._todo.put(called)
        while self._calls:
            self._calls[0].wait()
            error = self._calls.popleft().error
            if error is not None:
                raise error


class _Call:
    """A call of a hook on another thread."""

    def __init__(self, hook: str, call: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._hook = hook
        self._call = call
        self._done = threading.Event()
        self._waited = 0.0

    def run(self) -> None:
        """Makes the call, and keeps what it raises."""
        try:
            self._call()
        except BaseException as error:
            self.error = error
        finally:
            self._done.set()

    def wait(self) -> None:
        """Waits for the call's end, for as long as is left of the limit. Raises _Dropped."""
        part = LIMIT_SECONDS / WAITS
        while not self._done.wait(part):
            self._waited += part
            limit = LIMIT_SECONDS if signals.asked() is None else min(LIMIT_SECONDS, STOPPING_SECONDS)
            if self._waited >= limit:
                raise _Dropped(f"{self._hook} took longer than {limit:g} s")


def _serve(calls: queue.SimpleQueue[_Call | None]) -> None:
    """Makes calls, one after another, until None comes."""
    while (call := calls.get()) is not None:
        call.run()
        del call  # which holds the observer


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
