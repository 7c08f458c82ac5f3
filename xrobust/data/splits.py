"""The splits of a task's data: loaded, checked, fingerprinted; and the languages that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, overload

from pydantic import BaseModel, ConfigDict

from xrobust.contracts import Example, Source, Split, Task
from xrobust.data import hf_datasets
from xrobust.data.checks import checked, fingerprint
from xrobust.errors import RunError, UserError, did_you_mean, nearest
from xrobust.storage.code_hash import code_hash
from xrobust.storage.file_memo import cached_by_files


class DataRows(BaseModel):
    """The rows of one split in one language that the run used."""

    model_config = ConfigDict(extra="forbid")

    split: Literal["train", "dev", "test"]
    language: str
    rows: int
    sha256: str


def load_split(
    task: Task, source: Source, split: Split, language: str, limit: int | None
) -> tuple[Sequence[Example], DataRows]:
    """The (first `limit`) examples of a split, and their number and fingerprint. Raises UserError.

    Of a stream of `datasets` no more rows than `limit` are read, unless the task has a `transform`, which may leave
    some out.
    """
    loaded = task.load(split, language, source)
    if hf_datasets.is_dataset(loaded):
        whole = limit is None or type(task).transform is not Task.transform
        loaded = hf_datasets.examples_of(task, loaded, language, limit=None if whole else limit)
    hf_datasets.require_examples(task, loaded)
    examples = task.transform(loaded, split, language)
    if limit is not None and len(examples) > limit:
        examples = examples[:limit]
    where = f"{task.info.name} {split} {language}"
    checked(task, examples, where)
    rows = DataRows(split=split, language=language, rows=len(examples), sha256=fingerprint(examples, where))
    return examples, rows


def open_split(
    task: Task, source: Source, split: Split, language: str, limit: int | None
) -> tuple[Sequence[Example], DataRows]:
    """Opens a split lazily: where its files are as they were when they were read last, the examples are read when the
    first of them is asked for."""
    loaded: list[Sequence[Example]] = []

    def load() -> dict[str, Any]:
        examples, rows = load_split(task, source, split, language, limit)
        loaded.append(examples)
        return rows.model_dump(mode="json")

    files = task.files(split, language, source)
    code = [code_hash(cls) for cls in (type(task), type(task.kind), type(source))]
    if files is None or None in code:
        return load_split(task, source, split, language, limit)
    what = {"rows": task.info.name, "split": split, "language": language, "limit": limit, "code": code}
    rows = DataRows(**cached_by_files(what, files, load))
    return loaded[0] if loaded else LazySplit(task, source, rows, limit), rows


class LazySplit(Sequence[Example]):
    """The examples of a split, read when the first of them is asked for."""

    def __init__(self, task: Task, source: Source, rows: DataRows, limit: int | None) -> None:
        self._task = task
        self._source = source
        self._rows = rows
        self._limit = limit

    @cached_property
    def examples(self) -> Sequence[Example]:
        """All of them. Raises RunError where they are not those that the run was planned with."""
        split, language = self._rows.split, self._rows.language
        examples, rows = load_split(self._task, self._source, split, language, self._limit)
        if rows != self._rows:
            raise RunError(f"the {split} data of {self._task.info.name} in {language} were changed just now: try again")
        return examples

    def __len__(self) -> int:
        return self._rows.rows

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        return self.examples[index]


def evaluation_languages(task: Task, source: Source, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The languages to score: those asked for, checked, or all that have a test set. Raises UserError."""
    there = source.languages(task, "test")
    if not there:
        task.load("test", (asked or [task.info.source_language])[0], source)  # which says what is missing, and where
        there = tuple(sorted(task.info.languages))  # or gives data that the source knows nothing of
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
