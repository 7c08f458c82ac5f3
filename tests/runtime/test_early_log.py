"""What is warned of before a run has a log is at the top of it, once."""

from __future__ import annotations

import logging

from xrobust.runtime import early_log

logger = logging.getLogger("xrobust")


class Lines(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_warnings_from_before_the_log_are_in_it() -> None:
    before = list(logger.handlers)
    try:
        early_log.keep()
        early_log.keep()
        logger.warning("damaged")
        first, second = Lines(), Lines()
        with early_log.written_to(first):
            logger.warning("in the run")
        logger.warning("between two runs")
        with early_log.written_to(second):
            pass
        assert first.lines == ["damaged", "in the run"]
        assert second.lines == ["between two runs"]
    finally:
        logger.handlers[:] = before
