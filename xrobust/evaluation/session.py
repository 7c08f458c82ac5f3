"""A session of work on the folder of a run: the lock on it, and the accelerator of its processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xrobust.results.run_folder import RunFolder


@contextmanager
def session(folder: RunFolder, precision: str) -> Iterator[Any]:
    """Locks the folder of a run for all of its processes, and yields the accelerator.

    Raises UserError and RunError.
    """
    from xrobust.engine.accelerator import accelerator, check_shared

    accelerate = accelerator(precision)
    with folder.locked(main=accelerate.is_main_process):
        check_shared(folder.lock, accelerate)  # the main process has it: nobody else changes what is read now
        yield accelerate
