"""Examples in chunks, each made while the one before is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

CHUNK = 1000
"""Texts tokenised at a time: enough for the tokenizer's threads, few enough to stream, so that the tokenizer's output
(nearly 100 bytes a piece) is not in memory for all."""
CHARACTERS = 1_000_000
"""Characters of the texts tokenised at a time, for texts that are long: a chunk of them is at least one text."""

Item = TypeVar("Item")


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of up to CHUNK items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def text_chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of up to CHUNK texts, which together have up to CHARACTERS, unless it is a single one."""
    for many in chunks(texts):
        chunk: list[str] = []
        characters = 0
        for text in many:
            if chunk and characters + len(text) > CHARACTERS:
                yield chunk
                chunk, characters = [], 0
            chunk.append(text)
            characters += len(text)
        yield chunk


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields the items, the next one made in a thread of its own: tokenizers compute without Python's global lock.

    An error in making an item is raised in its place.
    """
    from concurrent.futures import ThreadPoolExecutor

    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]
