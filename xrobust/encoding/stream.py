"""Examples in chunks, each made while the one before is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

CHUNK = 1000
"""Texts tokenised at a time: enough for the tokenizer's threads, little enough to stream, and that what the tokenizer
says of each (nearly 100 bytes a piece) is not kept for all."""
Item = TypeVar("Item")


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of up to CHUNK items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, the next one made in a thread of its own: tokenizers compute without Python's global lock.

    What making one raises is raised where it would have been yielded.
    """
    from concurrent.futures import ThreadPoolExecutor

    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]
