"""Truncation of a set of examples: how many lost something to `max_length`, and what they lost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from xrobust.contracts import Example, Kind
    from xrobust.contracts.encoded import Encoded

logger = logging.getLogger("xrobust")

WORTH_SAYING = 0.01
"""Largest share of examples that may be cut before the log says so."""


class Truncation(BaseModel):
    """Examples that were longer than a model input, and what was cut away from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoded: int
    """Examples that were encoded: of a training set those that methods made of it."""
    examples: int
    """Examples that lost word pieces."""
    pieces: int
    """Word pieces lost, over all examples."""
    tokens: int | None = None
    """Gold tokens that are in no model input, which count as wrong; null where an example has one label, and in a
    training set."""

    def __add__(self, other: Truncation) -> Truncation:
        """Both sets of examples together."""
        tokens = None if self.tokens is None or other.tokens is None else self.tokens + other.tokens
        return Truncation(
            encoded=self.encoded + other.encoded,
            examples=self.examples + other.examples,
            pieces=self.pieces + other.pieces,
            tokens=tokens,
        )

    @property
    def share(self) -> float:
        """Share of the examples that lost word pieces; 0 where there are none."""
        return self.examples / self.encoded if self.encoded else 0.0


def count_truncation(encoded: Encoded, count: int, gold: Sequence[int] | None = None) -> Truncation | None:
    """Counts what was cut away from `count` examples, of which `encoded` holds the items.

    `gold` is the number of gold tokens of each example. Returns None for a kind that does not count what it cuts.
    """
    import numpy as np

    if encoded.cut is None:
        return None
    lost = np.bincount(encoded.example, weights=encoded.cut, minlength=count)
    tokens = None
    if gold is not None:
        labelled = np.bincount(encoded.example, weights=encoded.labelled, minlength=count)
        tokens = int(np.maximum(np.asarray(gold) - labelled, 0).sum())
    return Truncation(encoded=count, examples=int((lost > 0).sum()), pieces=int(lost.sum()), tokens=tokens)


def truncation_of(encoded: Encoded, kind: Kind, examples: Sequence[Example]) -> Truncation | None:
    """Counts what was cut away from examples with their gold labels; see `count_truncation`."""
    gold = [len(example[kind.gold_column]) for example in examples] if encoded.per_token else None
    return count_truncation(encoded, len(examples), gold)


def warn_of_truncation(where: str, found: Truncation | None, max_length: int, limit: int) -> bool:
    """Logs one line where more than WORTH_SAYING of the examples were cut; returns True if it did.

    `where` names the examples, `limit` is the longest input that the model takes.
    """
    if found is None or found.share <= WORTH_SAYING:
        return False
    logger.warning("%s", truncation_line(where, found, max_length, limit))
    return True


def truncation_line(where: str, found: Truncation, max_length: int, limit: int) -> str:
    """Words for what was cut away, with what to do about it; see `warn_of_truncation`."""
    advice = (
        f"a run with --set training.max_length=N takes more, up to {limit:,}"
        if max_length < limit
        else "which is all that the model takes"
    )
    lost = f"{found.pieces:,} word pieces" + (f" and {found.tokens:,} tokens" if found.tokens else "")
    return (
        f"{where}: max_length {max_length:,} cuts {found.examples:,} of {found.encoded:,} examples "
        f"({found.share:.1%}, {lost} in all): {advice}"
    )
