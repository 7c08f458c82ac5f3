"""Silences the log messages, progress bars and warnings of libraries."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the load reports, progress bars and warnings of transformers, and the hub client but for downloads."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging as reports

    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub", "peft")]
    levels = [logger.level for logger in loggers]
    bars, downloads = reports.is_progress_bar_enabled(), not are_progress_bars_disabled()
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        reports.disable_progress_bar()
        if downloads:  # which the line above switched off too: a gigabyte should not arrive in silence
            enable_progress_bars()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            reports.enable_progress_bar()


def quiet_libraries() -> None:
    """Turns off the libraries' own progress bars and advice; xrobust itself reports what matters."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=r"(torch|transformers|accelerate|peft|datasets|seqeval|sklearn)\b.*")
    for name in ("transformers", "accelerate", "datasets", "peft", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
