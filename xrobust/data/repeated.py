"""Rows that are in two splits: of a test set in the training or dev set, or in another language's test set; of the dev
set in the training set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

from pydantic import BaseModel, ConfigDict

from xrobust.contracts import Example, Task
from xrobust.data.splits import DataRows
from xrobust.storage import cache
from xrobust.storage.code_hash import code_hash
from xrobust.storage.hashing import canonical_json

SECTION = "repeated"
"""Section of the cache that holds the counts, by the fingerprints of all rows."""
ANOTHER_LANGUAGE = 0.5
"""Share of the smaller test set from which on two languages' test sets count as the same: short sentences, names and
numbers are in many."""
Split = tuple[DataRows, Sequence[Example]]


class RepeatedRows(BaseModel):
    """Test or dev rows of one language whose text is in another split too, word for word."""

    model_config = ConfigDict(extra="forbid")

    language: str
    """Language of the rows."""
    split: Literal["dev", "test"] = "test"
    """Split of the rows."""
    rows: int
    """Rows of it that are in the other split too."""
    in_split: Literal["train", "dev", "test"]
    in_language: str
    """Language under which the other split goes."""


def find_repeated(task: Task, seen: Iterable[Split], tests: Sequence[Split]) -> list[RepeatedRows]:
    """Counts the test rows that are in `seen` (training set, then dev set), the dev rows that are in the training set,
    and the test sets that share most of their rows.

    Two rows are the same if all their text is. Counted once for the same rows, and cached.
    """
    seen = list(seen)
    what = {
        "text": task.kind.text_columns,
        "seen": [[rows.split, rows.language, rows.sha256] for rows, _ in seen],
        "tests": [[rows.language, rows.sha256] for rows, _ in tests],
        "code": code_hash(find_repeated),
    }
    key = hashlib.sha256(canonical_json(what).encode()).hexdigest()
    kept = cache.read_lines(SECTION, key, lambda lines: [RepeatedRows.model_validate(line) for line in lines])
    if kept is not None:
        return kept
    found = _counted(task, seen, tests)
    cache.write_lines(SECTION, key, (row.model_dump(mode="json") for row in found))
    return found


def _counted(task: Task, seen: Sequence[Split], tests: Sequence[Split]) -> list[RepeatedRows]:
    text = _text_of(task)
    hashes = [(rows, [hash(text(example)) for example in examples]) for rows, examples in tests]
    found: list[RepeatedRows] = []
    before: list[tuple[DataRows, set[int]]] = []
    for other, examples in seen:
        of_other = [hash(text(example)) for example in examples]
        for rows, there in before:
            if count := sum(one in there for one in of_other):
                found.append(_repeated(other, count, rows))
        there = set(of_other)
        before.append((other, there))
        for rows, of_test in hashes:
            if count := sum(one in there for one in of_test):
                found.append(_repeated(rows, count, other))
    sets = [(rows, set(of_test)) for rows, of_test in hashes]
    for (first, one), (second, other_set) in combinations(sets, 2):
        if len(one & other_set) >= ANOTHER_LANGUAGE * min(len(one), len(other_set)):
            of_second = next(of_test for rows, of_test in hashes if rows is second)
            found.append(_repeated(second, sum(h in one for h in of_second), first))
    return found


def _repeated(rows: DataRows, count: int, other: DataRows) -> RepeatedRows:
    return RepeatedRows(
        language=rows.language,
        split="dev" if rows.split == "dev" else "test",
        rows=count,
        in_split=other.split,
        in_language=other.language,
    )


def _text_of(task: Task) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    """A function that gives the text of an example, as a value to compare."""
    columns = task.kind.text_columns

    def text(example: Mapping[str, object]) -> tuple[object, ...]:
        values = (example.get(column) for column in columns)
        return tuple(tuple(value) if isinstance(value, list | tuple) else value for value in values)

    return text
