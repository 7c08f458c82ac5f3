"""Checks of examples, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from xrobust.contracts.example import Example
from xrobust.contracts.task import Task
from xrobust.errors import UserError


def fingerprint(examples: Iterable[Example], where: str = "examples") -> str:
    """sha256 (hex) over the rows in order, each as one line of canonical JSON: keys sorted, no spaces, UTF-8.

    Raises UserError that names the data (`where`) for a value that JSON has no form for, such as a date or an image.
    """
    digest = hashlib.sha256()
    for row, example in enumerate(examples):
        try:
            line = json.dumps(example, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        except (TypeError, ValueError):
            raise UserError(f"{where}, row {row} (id {example['id']}): {_not_json(example)}") from None
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


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
        identifier = example.get("id")
        if not isinstance(identifier, str) or not identifier:
            raise UserError(f"{where}, row {row}: the id is {identifier!r}; a string that is not empty is expected")
        if seen.setdefault(identifier, row) != row:
            raise UserError(f"{where}, row {row}: id {identifier!r} is that of row {seen[identifier]} too")
        problem = (task.kind.problem(example) if gold in example else f"no {gold!r}") or _no_text(task, example)
        if problem is not None:
            raise UserError(f"{where}, row {row} (id {identifier}): {problem}")
    return examples


def _no_text(task: Task, example: Example) -> str | None:
    """The first text column that holds none, in a few words; None where all is well."""
    columns = task.kind.text_columns
    for column in columns:
        if column in example and not isinstance(example[column], str | list | tuple):
            return f"{column!r} is {example[column]!r}; text is expected"
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
