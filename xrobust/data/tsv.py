"""Tab-separated files in the XTREME layout: UTF-8, one record a line, no header, no quoting.

A quotation mark is a character like any other (csv's QUOTE_NONE): with csv's default quoting, XTREME's own files lose
rows. Not read by pandas or pyarrow, which end lines at a carriage return, drop empty ones, and name no line where a
byte or a label is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts.task import Task, loads_itself
from xrobust.data.lines import BLANKS, iter_lines, plain_name
from xrobust.data.records import Record
from xrobust.data.rows import Account, Rows
from xrobust.data.tags import UnknownTag, tags_in_iob2
from xrobust.encoding.kind_calls import problem_of
from xrobust.errors import UserError

DOCUMENT_START = "-DOCSTART-"
"""Token of a line between two documents in CoNLL-2003's files, which is of no sentence."""


def read(path: Path, task: Task) -> Rows:
    """The rows of a file in the task's canonical columns, without ids, labels checked, entity tags in IOB2.

    A task whose kind takes text already split into words has one token a line (token, tag), an empty line (or one of
    blanks) after each sentence, and perhaps `-DOCSTART-` lines, which are of none; any other has one example a line,
    with the columns of `Task.columns`. The fields of a column that is named several times there become a list (the
    choices of multiple choice).

    Raises UserError with file and line number.
    """
    account, rows, numbers = Account(), [], []
    for record in records(path, task):
        if record.row is not None:
            rows.append(record.row)
            numbers.append(record.number)
        elif record.lines == [DOCUMENT_START]:
            account.left_out[f"{DOCUMENT_START} lines"] += 1
    if not rows:
        raise empty_file(path, task, text_only=False)
    if not task.kind.pre_split:
        return Rows(rows, account)
    try:
        return Rows(tags_in_iob2(task, rows, account), account)
    except UnknownTag as error:
        number = numbers[error.row] + error.token
        raise UserError(f"{path}:{number}: {error}{_header_hint(number, error.tag, task)}") from None


def records(path: Path, task: Task, *, text_only: bool = False) -> Iterator[Record]:
    """The file as a stream of records, each of its lines in one of them.

    With `text_only` (a user's own text) the rows are without the gold column, which the file may have throughout, with
    anything in it, or not at all, and a line of blanks is no example; else labels are checked, but for tags, which
    `read` checks. Raises UserError with file and line number.
    """
    layout = _Layout(path, task, text_only)
    numbered = enumerate(iter_lines(path), start=1)
    return _sentences(numbered, task, layout) if task.kind.pre_split else _rows(numbered, task, layout)


def empty_file(path: Path, task: Task, *, text_only: bool = True) -> UserError:
    """The error for a file that holds no example."""
    after = ", an empty line after each sentence" if task.kind.pre_split else ""
    return UserError(f"{path}: the file is empty; expected lines of {_Layout(path, task, text_only).shape}{after}")


class _Layout:
    """The columns that the lines of a file have: by the width of the first that holds something."""

    def __init__(self, path: Path, task: Task, text_only: bool) -> None:
        self.text_only = text_only
        self.path = path
        self._task = task
        self._first = 0
        gold = task.kind.gold_column
        self._text = tuple(column for column in task.columns if column != gold)
        self._choices = (self._text, task.columns) if text_only else (task.columns,)
        self._names = _names(task)
        self.columns: tuple[str, ...] = ()
        """Columns of this file; none before its first line."""
        optional = f" (the column {self._names.get(gold, gold)} is optional)" if text_only else ""
        self.shape = self._joined(task.columns) + optional

    def fields(self, number: int, line: str) -> list[str]:
        """The fields of a line. Raises UserError unless it has the columns of the others."""
        fields = line.split("\t")
        if not self.columns:
            self.columns, self._first = self._by_width(number, line, len(fields)), number
        elif len(fields) != len(self.columns):
            first = f", as in line {self._first}" if self.text_only else ""
            raise self.error(
                number, f"{_found(line)}, {len(self.columns)} expected: {self._joined(self.columns)}{first}"
            )
        return fields

    def text(self, fields: Sequence[str]) -> str:
        """The fields of the text columns, joined by TAB."""
        gold = self._task.kind.gold_column
        return "\t".join(field for column, field in zip(self.columns, fields, strict=True) if column != gold)

    def error(self, number: int, problem: str) -> UserError:
        """The error for a problem of a line."""
        return UserError(f"{self.path}:{number}: {problem}")

    def _is_spaced(self, line: str) -> bool:
        """True for a token and one of the task's tags with a space between, as in CoNLL-2003's own files."""
        *_, last = line.split() or [""]
        return self._task.kind.pre_split and " " in line and "\t" not in line and last in self._task.kind.labels

    def _by_width(self, number: int, line: str, width: int) -> tuple[str, ...]:
        for columns in self._choices:
            if width == len(columns) and not self._is_spaced(line):
                return columns
        expected = " or ".join(str(len(columns)) for columns in self._choices)
        problem = f"{_found(line)}, {expected} expected: {self.shape}"
        if self._is_spaced(line):
            problem += "; the columns are separated by spaces, and a TAB is expected"
        elif line and width == len(self._text) and plain_name(self.path).startswith("test-"):
            hub = self._task.info.hub
            where = f": {hub.repo} on the hub has labelled ones" if hub is not None else ""
            problem += (
                "; it has no labels, like the test sets that XTREME gives out, and a score needs them"
                f"{where}; `xrobust predict` labels such a file"
            )
        raise self.error(number, problem)

    def _joined(self, columns: Iterable[str]) -> str:
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


def _rows(numbered: Iterator[tuple[int, str]], task: Task, layout: _Layout) -> Iterator[Record]:
    """One example a line."""
    gold = task.kind.gold_column
    for number, line in numbered:
        if layout.text_only and not line.strip(BLANKS):
            yield Record([""], number, None)
            continue
        fields = layout.fields(number, line)
        row = _gathered(layout, fields)
        if layout.text_only:
            row.pop(gold, None)
        if gold in row:
            row[gold] = task.label_aliases.get(row[gold], row[gold])
        # A `load` of the task's own may turn these strings into other values: the caller checks what it returns.
        raw = loads_itself(task) and not layout.text_only
        problem = None if raw else problem_of(task.kind, row, f"line {number} of {layout.path}")
        if problem is not None:
            raise layout.error(number, f"{problem}{_header_hint(number, row.get(gold), task)}")
        yield Record([layout.text(fields)], number, row)


def _gathered(layout: _Layout, fields: list[str]) -> dict[str, Any]:
    """Column -> its field, or the list of its fields where it is named several times."""
    row: dict[str, Any] = {}
    for column, field in zip(layout.columns, fields, strict=True):
        if layout.columns.count(column) == 1:
            row[column] = field
        else:
            row.setdefault(column, []).append(field)
    return row


def _sentences(numbered: Iterator[tuple[int, str]], task: Task, layout: _Layout) -> Iterator[Record]:
    """One token a line, an empty line after each sentence. TAB and a tag alone is an empty token, which counts."""
    aliases = task.label_aliases
    lines: list[str] = []
    tokens: list[str] = []
    tags: list[str] = []
    token_column, gold = task.columns

    def sentence(after: int) -> Iterator[Record]:
        """The sentence that ends before the line `after`, if there is one."""
        nonlocal lines, tokens, tags
        if tokens:
            row: dict[str, Any] = {token_column: tokens} if layout.text_only else {token_column: tokens, gold: tags}
            yield Record(lines, after - len(lines), row)
            lines, tokens, tags = [], [], []

    number = 0
    for number, line in numbered:
        fields = layout.fields(number, line) if line.strip(BLANKS) else [""]
        if not line.strip(BLANKS) or fields[0] == DOCUMENT_START:
            yield from sentence(number)
            yield Record([fields[0]], number, None)
            continue
        lines.append(fields[0])
        tokens.append(fields[0])
        if not layout.text_only:
            tags.append(aliases.get(fields[1], fields[1]))
    yield from sentence(number + 1)
