"""Rows as a source read them, with an account of what was left out, converted and pooled on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xrobust.contracts import Cleaner, Example, LeftOut, Task
from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.example import Copies, copied


@dataclass
class Account:
    """Counts of what reading and cleaning did to the rows of one split."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> rows, or sentences, that are not used."""
    changed: Counter[str] = field(default_factory=Counter)
    """Change, in words -> rows that it was made to."""
    parts: dict[str, int] = field(default_factory=dict)
    """Treebank -> rows of it, where several are pooled."""
    tag_scheme: str | None = None
    """Scheme that tags of entities were in."""
    converted_tags: int = 0
    """Tags that the conversion to IOB2 changed."""
    broken_entities: int = 0
    """Entities that lacked the beginning or the end that the scheme marks."""

    def cleaned(self, task: Task, cleaner: Cleaner | None, row: Example) -> Example | None:
        """The row as the task cleans it, or None for one that is left out; noted here.

        Raises PluginError where the cleaner raises or gives back what is no row.
        """
        if cleaner is None:
            return row
        given, where = copied(row), f"example {row.get('id')}"
        with calling(task, "cleaner", where):
            made = cleaner.clean(given)
        if isinstance(made, LeftOut):
            self.left_out[made.reason] += 1
            return None
        if not isinstance(made, Mapping):
            kind = type(made).__name__
            raise blamed(task, "cleaner", where, f"it gives a {kind}; the row, a new one, or LeftOut is expected")
        if made is given and made == row:
            return row
        self.changed[cleaner.change] += 1
        return copied(made)

    def notes(self) -> Iterator[str]:
        """Yields what a user should know of how the rows were read and cleaned, a line each."""
        if self.converted_tags:
            yield f"tags converted from {self.tag_scheme} to IOB2: {self.converted_tags:,}"
        if self.broken_entities:
            yield f"entities without the beginning or the end that {self.tag_scheme} marks: {self.broken_entities:,}"
        for reason, rows in self.left_out.items():
            yield f"left out: {rows:,}, {reason}"
        for change, rows in self.changed.items():
            yield f"{change}; rows: {rows:,}"
        if self.parts:
            yield "treebanks pooled: " + ", ".join(f"{name} {rows:,}" for name, rows in self.parts.items())


class Rows(list[Example]):
    """A list of examples with the account of how they were read."""

    def __init__(self, examples: Iterable[Example], account: Account) -> None:
        super().__init__(examples)
        self.account = account


def cleaned(task: Task, examples: Sequence[Example], account: Account) -> Sequence[Example]:
    """The examples after the task's own cleaning, which is noted in `account`."""
    cleaner = cleaner_of(task, Copies(examples))
    if cleaner is None:
        return examples
    return [made for row in examples if (made := account.cleaned(task, cleaner, row)) is not None]


def cleaner_of(task: Task, rows: Iterable[Example]) -> Cleaner | None:
    """`task.cleaner`. Raises PluginError where it raises, or gives back what is no cleaner."""
    with calling(task, "cleaner"):
        cleaner = task.cleaner(rows)
    if cleaner is not None and not isinstance(cleaner, Cleaner):
        raise blamed(task, "cleaner", "", f"it gives a {type(cleaner).__name__}; a Cleaner, or None, is expected")
    return cleaner
