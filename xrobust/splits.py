"""The splits of a task's data: loaded, checked, fingerprinted; and the languages that there are."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.contracts import Example, Source, Split, Task
from xrobust.data import checked, fingerprint
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.results.schema import DataRows


def load_split(
    task: Task, source: Source, split: Split, language: str, limit: int | None
) -> tuple[Sequence[Example], DataRows]:
    """The (first `limit`) examples of a split, and their number and fingerprint. Raises UserError."""
    examples = task.load(split, language, source)
    if limit is not None:
        examples = examples[:limit]
    checked(task, examples, f"{task.info.name} {split} {language}")
    rows = DataRows(split=split, language=language, rows=len(examples), sha256=fingerprint(examples))
    return examples, rows


def evaluation_languages(task: Task, source: Source, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The languages to score: those asked for, checked, or all that have a test set. Raises UserError."""
    there = source.languages(task, "test")
    if not there:
        task.load("test", (asked or [task.info.source_language])[0], source)  # which says what is missing, and where
    if asked is None:
        return tuple(there)
    for language in asked:
        if language not in there:
            near = nearest(language, there)
            hint = f"{did_you_mean(language, near)} " if near else ""
            raise UserError(
                f"{task.info.name} has no test data for language {language!r}: {hint}there are {', '.join(there)}"
            )
    return tuple(dict.fromkeys(asked))
