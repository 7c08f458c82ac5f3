"""The end of a process when the one that started it has ended: nothing goes on that nobody waits for."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

PARENT_PIPE = "XROBUST_PARENT_PIPE"
"""Number of a file descriptor, inherited, that reads the end of file when the process that started this one is gone."""


def end_with_parent() -> None:
    """Sends this process SIGTERM when the process that started it has ended, if that asked for it.

    A run then writes a checkpoint. The kernel closes a pipe of a process that is killed too.
    """
    if (number := os.environ.pop(PARENT_PIPE, None)) is None:  # popped: processes that this one starts do not have it
        return
    with contextlib.suppress(ValueError):
        threading.Thread(target=_wait_for_end, args=(int(number),), name="parent-watch", daemon=True).start()


def _wait_for_end(descriptor: int) -> None:
    try:
        while os.read(descriptor, 1):
            pass
    except OSError:  # no descriptor of that number: whoever set the variable did not hand it on
        return
    os.kill(os.getpid(), signal.SIGTERM)
