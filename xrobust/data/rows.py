"""Rows as a source read them, with an account of what was left out, converted and pooled on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xrobust.contracts import Example, LeftOut, Task


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
    """Scheme of the tags in the file, where it was converted to IOB2."""
    converted_tags: int = 0
    """Tags that the conversion changed."""


class Rows(list[Example]):
    """A list of examples with the account of how they were read."""

    def __init__(self, examples: Iterable[Example], account: Account) -> None:
        super().__init__(examples)
        self.account = account


def cleaned(task: Task, examples: Sequence[Example], account: Account) -> Sequence[Example]:
    """The examples after the task's own cleaning, which is noted in `account`."""
    cleaner = task.cleaner(examples)
    if cleaner is None:
        return examples
    kept: list[Example] = []
    for row in examples:
        made = cleaner.clean(row)
        if isinstance(made, LeftOut):
            account.left_out[made.reason] += 1
            continue
        if made is not row:
            account.changed[cleaner.change] += 1
        kept.append(made)
    return kept
