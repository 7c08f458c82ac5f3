"""What is warned of before a run has a log: kept, and written to the top of the log when there is one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("xrobust")


class _Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def keep() -> None:
    """From now on records are kept, not printed, while no run's log is open."""
    if not any(isinstance(handler, _Kept) for handler in logger.handlers):
        logger.addHandler(_Kept())


@contextmanager
def written_to(handler: logging.Handler) -> Iterator[None]:
    """`handler` has what was kept so far, and all that is logged in here."""
    kept = [found for found in logger.handlers if isinstance(found, _Kept)]
    for keeper in kept:
        logger.removeHandler(keeper)
        while keeper.records:
            handler.handle(keeper.records.pop(0))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for keeper in kept:
            logger.addHandler(keeper)
