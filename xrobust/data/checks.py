"""Checks of examples, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from xrobust.contracts.example import Example
from xrobust.contracts.task import Task
from xrobust.encoding.kind_calls import problem_of
from xrobust.errors import RunError, UserError, shown


def fingerprint(examples: Iterable[Example], where: str = "examples") -> str:
    """sha256 (hex) over the rows in order, each as one line of canonical JSON: keys sorted, no spaces, UTF-8.

    Raises UserError that names the data (`where`) for a value that JSON has no form for, such as a date or an image.
    """
    digest = hashlib.sha256()
    for row, example in enumerate(examples):
        digest.update(_line(example, row, where))
    return digest.hexdigest()


def unchanged(examples: Iterable[Example], sha256: str, where: str) -> Iterator[Example]:
    """Yields the examples; raises RunError after the last where they are not those of the fingerprint.

    So what was made of them is not kept under the name of others: code of a plugin may have changed them in memory.
    """
    digest = hashlib.sha256()
    for row, example in enumerate(examples):
        digest.update(_line(example, row, where))
        yield example
    _require(digest.hexdigest(), sha256, where)


def require_unchanged(examples: Iterable[Example], sha256: str, where: str) -> None:
    """Raises RunError, as `unchanged` does, where the examples are not those of the fingerprint."""
    _require(fingerprint(examples, where), sha256, where)


def _require(found: str, sha256: str, where: str) -> None:
    if found != sha256:
        raise RunError(
            f"{where}: the examples in memory are not those that were read (their sha256 is another): code of a plugin "
            "changed them; nothing made of them was kept"
        )


def _line(example: Example, row: int, where: str) -> bytes:
    try:
        line = json.dumps(example, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError):
        raise UserError(f"{where}, row {row} (id {example['id']}): {_not_json(example)}") from None
    return line.encode("utf-8", "surrogatepass") + b"\n"


def checked(task: Task, examples: Sequence[Example], where: str | None = None) -> Sequence[Example]:
    """The examples as they are, once it is sure that a run can use them.

    Every row has an id (a string, unique), its gold column, text, and nothing that the task's kind objects to. Raises
    UserError that names the data (`where`, else the task) and the row, counted from 0.
    """
    where = where or task.info.name
    if not examples:
        raise UserError(f"{where}: no example")
    gold = task.kind.gold_column
    seen: dict[str, int] = {}
    for row, example in enumerate(examples):
        if not isinstance(example, Mapping):
            raise UserError(f"{where}, row {row}: a {type(example).__name__}; a dict of columns is expected")
        identifier = example.get("id")
        if not isinstance(identifier, str) or not identifier:
            raise UserError(f"{where}, row {row}: the id is {identifier!r}; a string that is not empty is expected")
        if seen.setdefault(identifier, row) != row:
            raise UserError(f"{where}, row {row}: id {identifier!r} is that of row {seen[identifier]} too")
        problem = f"no {gold!r}" if gold not in example else _no_text(task, example)
        problem = problem or problem_of(task.kind, example, f"{where}, row {row} (id {identifier})")
        if problem is not None:
            raise UserError(f"{where}, row {row} (id {identifier}): {problem}")
    return examples


def _no_text(task: Task, example: Example) -> str | None:
    """The first text column that holds none, in a few words; None where all is well."""
    columns = task.kind.text_columns
    for column in columns:
        if column in example and not isinstance(example[column], str | list | tuple):
            return f"{column!r} is {example[column]!r}; text is expected"
    if task.kind.pre_split:
        for column in (*columns, task.kind.gold_column):
            if isinstance(example.get(column), str):
                return f"{column!r} is the text {shown(example[column])}; a list is expected, one entry a token"
    if columns and not any(column in example for column in columns):
        return f"no {columns[0]!r}; there are {', '.join(map(repr, example))}"
    return None


def _not_json(example: Example) -> str:
    """The first column whose value JSON has no form for, in a few words."""

    def kept(value: Any) -> bool:
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            return False
        return True

    column, value = next((column, value) for column, value in example.items() if not kept(value))
    return (
        f"column {column!r} holds a {type(value).__name__}; text, numbers and lists of them are expected: leave the "
        "column out in the task's load"
    )
