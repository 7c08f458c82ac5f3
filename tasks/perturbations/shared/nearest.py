"""The nearest of many words, by the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BLOCK = 4_000_000
"""Cosines at a time: 32 MB, however many words there are."""
TIE = 1e-7
"""Cosines this near are equal: float32 vectors of one word, computed in batches of other shapes, differ by so much."""


def nearest_words(
    words: Collection[str], candidates: Collection[str], vectors: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, str]:
    """Each word -> the candidate with the largest cosine; of equally near ones the first in code point order.

    `vectors` gives float32 (words, dim), and is called once, with all words, sorted and unique; not at all where
    either side is empty.
    """
    if not words or not candidates:
        return {}
    import numpy as np

    everything = sorted({*words, *candidates})
    directions = _unit(np.asarray(vectors(everything), dtype=np.float64))
    row = {word: i for i, word in enumerate(everything)}
    asked, offered = sorted(set(words)), sorted(set(candidates))
    targets = directions[[row[word] for word in offered]].T
    found: dict[str, str] = {}
    step = max(1, BLOCK // len(offered))
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        cosines = directions[[row[word] for word in block]] @ targets
        near = cosines >= cosines.max(axis=1, keepdims=True) - TIE
        found.update((word, offered[first]) for word, first in zip(block, near.argmax(axis=1), strict=True))
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
