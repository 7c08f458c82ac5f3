"""The tags of a split as a task has them: entity tags in IOB2, each one of the task's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from xrobust.contracts import Example, Task
from xrobust.data.rows import Account
from xrobust.data.tag_scheme import is_iob2, to_iob2


@dataclass
class UnknownTag(Exception):
    """Raised for a tag that is none of the task's labels, nor one of them in another scheme."""

    row: int
    """Index of its row."""
    token: int
    """Index of its token in the row."""
    tag: str
    labels: Sequence[str]

    def __str__(self) -> str:
        return f"tag {self.tag!r} is none of {', '.join(self.labels)}"


def tags_in_iob2(task: Task, rows: Sequence[Example], account: Account) -> Sequence[Example]:
    """The rows with their tags in IOB2, if the labels are such tags; the scheme is found out from all rows together.

    Notes the conversion in `account`. Raises UnknownTag.
    """
    labels, gold = frozenset(task.kind.labels), task.kind.gold_column
    tags = [row[gold] for row in rows]
    unknown = set(chain.from_iterable(tags)) - labels
    entities = is_iob2(labels)
    wrong = {tag for tag in unknown if not (entities and tag[1:2] == "-" and f"B-{tag[2:]}" in labels)}
    made = to_iob2(tags) if entities and not wrong else None
    if made is not None:
        account.tag_scheme, account.converted_tags = made.scheme, made.changed
        return [{**row, gold: new} for row, new in zip(rows, made.tags, strict=True)]
    for i, sentence in enumerate(tags if unknown else ()):
        for j, tag in enumerate(sentence):
            if tag in (wrong or unknown):
                raise UnknownTag(i, j, tag, task.kind.labels)
    return rows
