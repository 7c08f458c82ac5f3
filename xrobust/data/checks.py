"""Checks of examples, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from xrobust.contracts.example import Example
from xrobust.contracts.task import Task
from xrobust.errors import UserError


def fingerprint(examples: Iterable[Example]) -> str:
    """sha256 (hex) over the rows in order, each as one line of canonical JSON: keys sorted, no spaces, UTF-8."""
    digest = hashlib.sha256()
    for example in examples:
        line = json.dumps(example, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def checked(task: Task, examples: Sequence[Example], where: str | None = None) -> Sequence[Example]:
    """The examples as they are, once it is sure that a run can use them.

    Every row has an id (a string, unique), its gold column, and nothing that the task's kind objects to. Raises
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
        problem = task.kind.problem(example) if gold in example else f"no {gold!r}"
        if problem is not None:
            raise UserError(f"{where}, row {row} (id {identifier}): {problem}")
    return examples
