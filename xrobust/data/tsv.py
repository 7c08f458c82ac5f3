"""Tab-separated files in the XTREME layout: UTF-8, one record a line, no header, no quoting.

Lines end at a line feed and nowhere else: U+2028, U+0085, a vertical tab and the like are text. A quotation mark is a
character like any other (csv's QUOTE_NONE): with csv's default quoting, XTREME's own files lose rows. Not read by
pandas or pyarrow, which end lines at a carriage return, drop empty ones, and name no line where a byte or a label is
wrong.
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


def read(path: Path, task: Task, *, text_only: bool = False) -> list[dict[str, Any]]:
    """The rows of a file in the task's canonical columns, without ids, labels checked.

    A task whose kind takes text already split into words has one token a line (token, tag), an empty line after each
    sentence; any other has one example a line, with the columns of `Task.columns`. The fields of a column that is named
    several times there become a list (the choices of multiple choice).

    With `text_only` (a user's own text) the rows are without the gold column, which the file may have throughout, with
    anything in it, or not at all.

    Raises UserError with file and line number.
    """
    layout = _Layout(task, text_only)
    read_file = _read_tokens if task.kind.pre_split else _read_rows
    rows = read_file(path, lines(path), task, layout)
    if not rows:
        after = ", an empty line after each sentence" if task.kind.pre_split else ""
        raise UserError(f"{path}: the file is empty; expected lines of {layout.shape}{after}")
    return rows


class _Layout:
    """The columns that the lines of a file may have."""

    def __init__(self, task: Task, text_only: bool) -> None:
        self.text_only = text_only
        self._first = 1
        gold = task.kind.gold_column
        text = tuple(column for column in task.columns if column != gold)
        self._choices = (text, task.columns) if text_only else (task.columns,)
        self._names = _names(task)
        optional = f" (the column {self._names.get(gold, gold)} is optional)" if text_only else ""
        self.shape = self._joined(task.columns) + optional

    def columns(self, path: Path, found: list[str]) -> tuple[str, ...]:
        """The columns of all lines, by the width of the first that is not empty."""
        number, first = next(((n, line) for n, line in enumerate(found, start=1) if line), (1, ""))
        width = first.count("\t") + 1
        for columns in self._choices:
            if width == len(columns):
                self._first = number
                return columns
        expected = " or ".join(str(len(columns)) for columns in self._choices)
        raise UserError(f"{path}:{number}: {_found(first)}, {expected} expected: {self.shape}")

    def fields(self, path: Path, number: int, line: str, columns: tuple[str, ...]) -> list[str]:
        """The fields of a line. Raises UserError unless it has the columns of the others."""
        fields = line.split("\t")
        if len(fields) != len(columns):
            first = f", as in line {self._first}" if self.text_only else ""
            raise UserError(f"{path}:{number}: {_found(line)}, {len(columns)} expected: {self._joined(columns)}{first}")
        return fields

    def _joined(self, columns: tuple[str, ...]) -> str:
        return " TAB ".join(self._names[column] for column in columns)


def _names(task: Task) -> dict[str, str]:
    """Names of the columns for people: as the published data do, and for tagging what is in one line."""
    if task.kind.pre_split:
        return dict(zip(task.columns, ("token", "tag"), strict=True))
    published = task.info.hub.columns if task.info.hub is not None else {}
    return {column: published.get(column, column) for column in task.columns}


def _header_hint(number: int, label: str | None, task: Task) -> str:
    """Advice for a first line that has the name of the column in place of a label."""
    gold = task.kind.gold_column
    published = task.info.hub.columns if task.info.hub is not None else {}
    names = {gold, _names(task).get(gold), published.get(gold)}
    return "; leave out the header line" if number == 1 and label is not None and label.lower() in names else ""


def _found(line: str) -> str:
    """Error for a line of another width."""
    if not line:
        return "1 column found (an empty line)"
    tabs = line.count("\t")
    return f"{tabs + 1} columns found" if tabs else "1 column found"


def _read_rows(path: Path, found: list[str], task: Task, layout: _Layout) -> list[dict[str, Any]]:
    """One example a line."""
    if not found:
        return []
    columns = layout.columns(path, found)
    gold = task.kind.gold_column
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(found, start=1):
        row = _gathered(columns, layout.fields(path, number, line, columns))
        if layout.text_only:
            row.pop(gold, None)
        if gold in row:
            row[gold] = task.label_aliases.get(row[gold], row[gold])
        if (problem := task.kind.problem(row)) is not None:
            raise UserError(f"{path}:{number}: {problem}{_header_hint(number, row.get(gold), task)}")
        rows.append(row)
    return rows


def _gathered(columns: tuple[str, ...], fields: list[str]) -> dict[str, Any]:
    """Column -> its field, or the list of its fields where it is named several times."""
    row: dict[str, Any] = {}
    for column, field in zip(columns, fields, strict=True):
        if columns.count(column) == 1:
            row[column] = field
        else:
            row.setdefault(column, []).append(field)
    return row


def _read_tokens(path: Path, found: list[str], task: Task, layout: _Layout) -> list[dict[str, Any]]:
    """One token a line, an empty line after each sentence. TAB and a tag alone is an empty token, which counts."""
    if not any(found):
        return []
    columns = layout.columns(path, found)
    token_column, gold = task.columns
    labels, aliases = frozenset(task.kind.labels), task.label_aliases
    rows: list[dict[str, Any]] = []
    tokens: list[str] = []
    tags: list[str] = []

    def close() -> None:
        nonlocal tokens, tags
        if tokens:
            rows.append({token_column: tokens} if layout.text_only else {token_column: tokens, gold: tags})
            tokens, tags = [], []

    for number, line in enumerate(found, start=1):
        if not line:
            close()
            continue
        fields = layout.fields(path, number, line, columns)
        tokens.append(fields[0])
        if not layout.text_only:
            tag = aliases.get(fields[1], fields[1])
            if tag not in labels:
                hint = _header_hint(number, tag, task)
                raise UserError(f"{path}:{number}: tag {tag!r} is none of {', '.join(task.kind.labels)}{hint}")
            tags.append(tag)
    close()
    return rows
