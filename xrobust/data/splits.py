"""The splits of a task's data: loaded, checked, fingerprinted; and the languages that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import BaseModel, ConfigDict

from xrobust.contracts import Example, Source, Split, Task
from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.example import copied
from xrobust.contracts.task import loads_itself
from xrobust.data import hf_datasets
from xrobust.data.checks import checked, fingerprint
from xrobust.data.rows import Account, Rows, cleaned
from xrobust.data.tag_scheme import is_iob2
from xrobust.data.tags import UnknownTag, tags_in_iob2
from xrobust.encoding.truncation import Truncation
from xrobust.errors import RunError, UserError, did_you_mean, nearest, shown
from xrobust.metrics.entities import entity_spans
from xrobust.storage.code_hash import code_hash
from xrobust.storage.file_memo import cached_by_files
from xrobust.storage.regular_file import unusable


class RowsOrigin(BaseModel):
    """Source that rows are from."""

    model_config = ConfigDict(extra="forbid")

    id: str
    revision: str | None = None
    sample: bool = False
    """True for the sample data that come with xrobust."""


def origin_of(task: Task, source: Source) -> RowsOrigin:
    """The source of the rows that `source` gives for a task."""
    described = source.describe(task)
    return RowsOrigin(id=str(described["id"]), revision=described.get("revision"), sample=source.sample)


class DataRows(BaseModel):
    """The rows of one split in one language that the run used, and what reading did to the whole split."""

    model_config = ConfigDict(extra="forbid")

    split: Literal["train", "dev", "test"]
    language: str
    rows: int
    sha256: str
    labels: dict[str, int] = {}
    """Gold label -> how often these rows have it; for tagging, on how many tokens."""
    entities: int | None = None
    """Entities of these rows, for tags that mark entities."""
    stray_tags: int | None = None
    """Those of them that begin with an `I-`, which strict IOB2 does not count."""
    tag_scheme: str | None = None
    """Scheme that the split's tags of entities were in: IOB2, IOB1, IOBES, ..."""
    converted_tags: int = 0
    """Tags of the split that the conversion to IOB2 changed."""
    broken_entities: int = 0
    """Entities of the split that lacked the beginning or the end that the scheme marks."""
    left_out: dict[str, int] = {}
    """Reason -> rows of the split that are not used."""
    changed: dict[str, int] = {}
    """Change made to the text of the split's rows -> how many it was made to."""
    treebanks: dict[str, int] = {}
    """Treebank -> rows of the split from it, where several are pooled."""
    truncation: Truncation | None = None
    """Rows that `max_length` cut; null where that was not counted."""
    origin: RowsOrigin | None = None
    """Source of the rows, where it is another than the section's `id` and `revision` say."""

    def notes(self) -> Iterator[str]:
        """Yields what a user should know of how these rows were read, a line each."""
        yield from Account(
            Counter(self.left_out),
            Counter(self.changed),
            self.treebanks,
            self.tag_scheme,
            self.converted_tags,
            self.broken_entities,
        ).notes()
        if self.stray_tags:
            yield f"{self.stray_tags:,} of {self.entities:,} entities begin with I-, which strict F1 does not count"


def load_split(
    task: Task, source: Source, split: Split, language: str, limit: int | None
) -> tuple[Sequence[Example], DataRows]:
    """The (first `limit`) examples of a split, and their number and fingerprint. Raises UserError.

    Of a stream of `datasets` no more rows than `limit` are read, unless the task has a `cleaner`, which may leave some
    out.
    """
    where = f"{task.info.name} {split} {language}"
    called = f"{split} set of {language}"
    with calling(task, "load", called):
        loaded = task.load(split, language, source)
        if hf_datasets.is_dataset(loaded):
            whole = limit is None or type(task).cleaner is not Task.cleaner
            loaded = hf_datasets.examples_of(task, loaded, language, limit=None if whole else limit)
        hf_datasets.require_examples(task, loaded, called)
        if loads_itself(task) and not isinstance(loaded, hf_datasets.DatasetExamples):
            loaded = _copied(loaded, where)
    account = loaded.account if isinstance(loaded, Rows) else Account()
    examples = loaded if isinstance(loaded, Rows) else _in_iob2(task, loaded, account, where)
    examples = cleaned(task, examples, account)
    if limit is not None and len(examples) > limit:
        examples = examples[:limit]
    checked(task, examples, where)
    rows = DataRows(
        split=split,
        language=language,
        rows=len(examples),
        sha256=fingerprint(examples, where),
        tag_scheme=account.tag_scheme,
        converted_tags=account.converted_tags,
        broken_entities=account.broken_entities,
        left_out=dict(account.left_out),
        changed=dict(account.changed),
        treebanks=account.parts,
        **_gold_counts(task, examples),
    )
    return examples, rows


def _copied(rows: Sequence[Example], where: str) -> Sequence[Example]:
    """The rows of a plugin, which may keep the objects and change them. Raises UserError for what is no row."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise UserError(f"{where}, row {number}: a {type(row).__name__}; a dict of columns is expected")
    copies = map(copied, rows)
    return Rows(copies, rows.account) if isinstance(rows, Rows) else list(copies)


def _in_iob2(task: Task, rows: Sequence[Example], account: Account, where: str) -> Sequence[Example]:
    """The rows of a plugin's own source with entity tags in IOB2. Raises UserError for a tag that is no label."""
    gold = task.kind.gold_column
    if not (
        task.kind.pre_split
        and is_iob2(task.kind.labels)
        and all(isinstance(row.get(gold), list | tuple) for row in rows)
    ):
        return rows  # `checked` says what is wrong with the rows
    try:
        return tags_in_iob2(task, rows, account)
    except UnknownTag as error:
        raise UserError(f"{where}, row {error.row}, token {error.token}: {error}") from None


def _gold_counts(task: Task, examples: Iterable[Example]) -> dict[str, Any]:
    """Label counts of checked examples, and for tags of entities how many these are."""
    gold, entities = task.kind.gold_column, task.kind.pre_split and is_iob2(task.kind.labels)
    labels: Counter[str] = Counter()
    spans = strays = 0
    for example in examples:
        value = example[gold]
        labels.update([value] if isinstance(value, str) else value)
        if entities:
            found = entity_spans(value)
            spans += len(found)
            strays += sum(value[span.start][0] == "I" for span in found)
    counts: dict[str, Any] = {"labels": dict(sorted(labels.items()))}
    return counts | {"entities": spans, "stray_tags": strays} if entities else counts


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

    files = _files(task, source, split, language)
    code = code_hash(type(task), type(task.kind), type(source), load_split)
    if files is None or code is None:
        return load_split(task, source, split, language, limit)
    what = {"rows": task.info.name, "split": split, "language": language, "limit": limit, "code": code}
    rows = cached_by_files(what, files, load, DataRows.model_validate)
    return loaded[0] if loaded else LazySplit(task, source, rows, limit), rows


def _files(task: Task, source: Source, split: Split, language: str) -> list[Path] | None:
    where = f"{split} set of {language}"
    with calling(task, "files", where):
        files = task.files(split, language, source)
    if files is not None and not (isinstance(files, list | tuple) and all(isinstance(file, Path) for file in files)):
        raise blamed(task, "files", where, f"it gives {shown(files)}; a list of paths, or None, is expected")
    return None if files is None else list(files)


def changed_just_now(task: Task, split: Split, language: str) -> RunError:
    """The error for a split that is not read as it was when the run was planned."""
    if loads_itself(task):
        where = f"{split} set of {language}"
        return blamed(task, "load", where, "it gives other rows than a moment ago; it must give the same each time")
    return RunError(f"the {split} data of {task.info.name} in {language} were changed just now: try again")


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
            raise changed_just_now(self._task, split, language)
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


def languages_of(task: Task, source: Source, split: Split) -> tuple[str, ...]:
    """The languages that a split exists in, sorted, as `Task.languages` says. Raises PluginError where it fails."""
    try:
        with calling(task, "languages", f"{split} set"):
            found = task.languages(split, source)
    except UserError:
        if not loads_itself(task) or type(task).languages is not Task.languages:
            raise
        return ()  # the source takes files for those of its own layout, which the task reads by itself
    if not isinstance(found, list | tuple) or not all(isinstance(code, str) and code for code in found):
        raise blamed(
            task, "languages", f"{split} set", f"it gives {shown(found)}; a tuple of language codes is expected"
        )
    _require_names(task, found, f"{split} set")
    return tuple(sorted(set(found)))


def _require_names(task: Task, codes: Iterable[str], where: str) -> None:
    """Raises PluginError for a language code that cannot be the name of a file, as that of its predictions is."""
    for code in codes:
        if code.startswith(".") or not code.isprintable() or set(code) & set("/\\") or unusable(code):
            raise blamed(task, "languages", where, f"it gives {shown(code)}, which is no language code")


def evaluation_languages(task: Task, source: Source, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The languages to score: those asked for, checked, or all that have a test set. Raises UserError for none."""
    there = languages_of(task, source, "test")
    if not there and not loads_itself(task):
        task.load("test", (asked or [task.info.source_language])[0], source)  # which says what is missing, and where
    if not there:
        there = tuple(sorted(task.info.languages))  # of data that the source knows nothing of
        _require_names(task, there, "info")
    if not there:
        raise UserError(
            f"task {task.info.name} names no language that it can be scored in: its `languages`, or those of its "
            "`info`, have to"
        )
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
