"""Buffer of log records from before a run has a log, written to the top of the log when it is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("xrobust")


class _Kept(logging.Handler):
    """Handler that buffers records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def keep() -> None:
    """Starts to buffer records, instead of printing them, while no run's log is open."""
    if not any(isinstance(handler, _Kept) for handler in logger.handlers):
        logger.addHandler(_Kept())


@contextmanager
def written_to(handler: logging.Handler) -> Iterator[None]:
    """Passes the buffered records to `handler`, and all records that are logged inside the context."""
    buffers = [other for other in logger.handlers if isinstance(other, _Kept)]
    for keeper in buffers:
        logger.removeHandler(keeper)
        while keeper.records:
            handler.handle(keeper.records.pop(0))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for keeper in buffers:
            logger.addHandler(keeper)
