"""The tags of a split as a task has them: entity tags in IOB2, each one of the task's labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

from xrobust.contracts import Example, Task
from xrobust.data.rows import Account
from xrobust.data.tag_scheme import PREFIXES, WITH_ENDS, find_scheme, in_iob2, is_iob2, prefixes_of


@dataclass
class UnknownTag(Exception):
    """Raised for a tag that is none of the task's labels, nor one of them in another scheme."""

    row: int
    """Index of its row."""
    token: int
    """Index of its token in the row."""
    tag: str
    problem: str

    def __str__(self) -> str:
        return f"tag {self.tag!r} {self.problem}"


def tags_in_iob2(task: Task, rows: Sequence[Example], account: Account) -> Sequence[Example]:
    """The rows with their tags in IOB2, if the labels are such tags; the scheme is found out from all rows together.

    Notes scheme and conversion in `account`. Raises UnknownTag.
    """
    labels, gold = frozenset(task.kind.labels), task.kind.gold_column
    tags = [row[gold] for row in rows]
    unknown = set(chain.from_iterable(tags)) - labels
    entities = is_iob2(labels)
    wrong = {tag for tag in unknown if not (entities and _in_a_scheme(tag, labels))}
    if wrong:
        raise _first(tags, wrong, f"is none of {', '.join(task.kind.labels)}")
    if not entities:
        return rows
    scheme = find_scheme(tags)
    if scheme is None:
        known = ", ".join(("IOB1", "IOB2", *WITH_ENDS))
        found = ", ".join(sorted(prefixes_of(tags)))
        raise _first(tags, unknown, f"is of another scheme than others: the prefixes {found} are of no one of {known}")
    account.tag_scheme = scheme
    if scheme == "IOB2":
        return rows
    made = in_iob2(tags, scheme)
    account.converted_tags, account.broken_entities = made.changed, made.broken
    return [{**row, gold: new} for row, new in zip(rows, made.tags, strict=True)]


def _in_a_scheme(tag: str, labels: Collection[str]) -> bool:
    """True if a tag is that of one of the labels' entities in some scheme: `S-PER` where `B-PER` is a label."""
    return tag[:1] in PREFIXES and tag[1:2] == "-" and f"B-{tag[2:]}" in labels


def _first(tags: Sequence[Sequence[str]], which: Collection[str], problem: str) -> UnknownTag:
    """The error for the first of some tags."""
    return next(
        UnknownTag(i, j, tag, problem)
        for i, sentence in enumerate(tags)
        for j, tag in enumerate(sentence)
        if tag in which
    )
