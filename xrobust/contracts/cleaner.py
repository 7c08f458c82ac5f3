"""A task's cleaning of its rows: the same for a test set that is scored and for a user's own text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from xrobust.contracts.example import Example


class LeftOut(NamedTuple):
    """Answer of a cleaner for a row that is not to be used."""

    reason: str
    """Reason, in a few words, the same for all such rows: "never translated (NS)"."""


@dataclass(frozen=True)
class Cleaner:
    """A function that makes each row of a split ready for use, and words for what it does."""

    clean: Callable[[Example], Example | LeftOut]
    """Returns the row itself where nothing is to be done, else a new one, or `LeftOut`. Must depend on the row alone;
    it is not called again while the files have not changed."""
    change: str = "rows cleaned"
    """Words for the log and the document, where rows were changed: "prefix 'de:' cut from tokens"."""
