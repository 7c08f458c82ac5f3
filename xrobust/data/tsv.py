"""Tab-separated files in the XTREME layout: UTF-8, one record a line, no header, no quoting.

Lines end at a line feed and nowhere else: U+2028, U+0085, a vertical tab and the like are text. A quotation mark is a
character like any other (csv's QUOTE_NONE): with csv's default quoting, XTREME's own files lose rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xrobust.contracts.task import Task
from xrobust.errors import UserError


def lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, without their ends. One carriage return before a line feed belongs to the end.

    A byte order mark is dropped. Raises UserError for a missing file, and with the line's number for bytes that are
    not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not valid UTF-8; save the file as UTF-8"
        ) from error
    found = text.removeprefix("\ufeff").split("\n")
    if found[-1] == "":
        found.pop()  # what follows the last line feed is not a line
    return [line.removesuffix("\r") for line in found]


def read(path: Path, task: Task, *, labels_optional: bool = False) -> list[dict[str, Any]]:
    """The rows of a file in the task's canonical columns, without ids, labels checked.

    A task whose kind takes text already split into words has one token a line (token, tag), an empty line after each
    sentence; any other has one example a line, with the columns of `Task.columns`.

    With `labels_optional` (a user's own text) the file may lack the gold column throughout; its first line decides.

    Raises UserError with file and line number.
    """
    read_file = _read_tokens if task.kind.pre_split else _read_rows
    rows = read_file(path, lines(path), task, labels_optional)
    if not rows:
        shape = f"lines of {' TAB '.join(task.columns)}"
        after = ", an empty line after each sentence" if task.kind.pre_split else ""
        raise UserError(f"{path}: the file is empty; expected {shape}{after}")
    return rows


def _read_rows(path: Path, found: list[str], task: Task, labels_optional: bool) -> list[dict[str, Any]]:
    """One example a line."""
    columns = _columns(task, found[0].count("\t") + 1 if found else 0, labels_optional)
    gold = task.kind.gold_column
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(found, start=1):
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise _wrong_columns(path, number, fields, columns)
        row: dict[str, Any] = dict(zip(columns, fields, strict=True))
        if gold in row:
            row[gold] = task.label_aliases.get(row[gold], row[gold])
        if (problem := task.kind.problem(row)) is not None:
            raise UserError(f"{path}:{number}: {problem}")
        rows.append(row)
    return rows


def _read_tokens(path: Path, found: list[str], task: Task, labels_optional: bool) -> list[dict[str, Any]]:
    """One token a line, an empty line after each sentence. TAB and a tag alone is an empty token, which counts."""
    first = next((line for line in found if line), "")
    columns = _columns(task, first.count("\t") + 1, labels_optional)
    token_column, gold = task.columns
    labels, aliases = frozenset(task.kind.labels), task.label_aliases
    rows: list[dict[str, Any]] = []
    tokens: list[str] = []
    tags: list[str] = []

    def close() -> None:
        nonlocal tokens, tags
        if tokens:
            rows.append({token_column: tokens, gold: tags} if gold in columns else {token_column: tokens})
            tokens, tags = [], []

    for number, line in enumerate(found, start=1):
        if not line:
            close()
            continue
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise _wrong_columns(path, number, fields, columns)
        tokens.append(fields[0])
        if len(fields) == 2:
            tag = aliases.get(fields[1], fields[1])
            if tag not in labels:
                raise UserError(f"{path}:{number}: tag {tag!r} is none of {', '.join(task.kind.labels)}")
            tags.append(tag)
    close()
    return rows


def _columns(task: Task, width: int, labels_optional: bool) -> tuple[str, ...]:
    """The columns of a file whose first line has `width` fields: those of the task, or all but the gold one."""
    unlabelled = tuple(column for column in task.columns if column != task.kind.gold_column)
    return unlabelled if labels_optional and width == len(unlabelled) else task.columns


def _wrong_columns(path: Path, number: int, fields: list[str], columns: tuple[str, ...]) -> UserError:
    found = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
    return UserError(f"{path}:{number}: {found} found, {len(columns)} expected ({' TAB '.join(columns)})")
