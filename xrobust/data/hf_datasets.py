"""Examples out of the Hugging Face library `datasets`: a `Dataset` or a stream, turned into rows of a task."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from xrobust.contracts.calling import blamed
from xrobust.contracts.example import Example
from xrobust.contracts.task import Task
from xrobust.data.ids import row_id

BATCH = 1000
"""Rows that are converted from Arrow to Python at a time."""


def is_dataset(loaded: Any) -> bool:
    """True for a `datasets.Dataset` or `datasets.IterableDataset`. Does not import `datasets`, which takes a second."""
    datasets = sys.modules.get("datasets")
    return datasets is not None and isinstance(loaded, datasets.Dataset | datasets.IterableDataset)


def examples_of(
    task: Task, dataset: Any, language: str, *, limit: int | None = None, columns: Mapping[str, str] | None = None
) -> Sequence[Example]:
    """The (first `limit`) rows of a dataset as examples, in its order.

    Args:
        dataset: a `datasets.Dataset`, which stays on disk or wherever it lies, or a `datasets.IterableDataset`, which
            is read into memory, and no further than `limit`.
        columns: canonical column -> column of the dataset; by default all columns under their own names.

    A `ClassLabel`, or a list of them, becomes names. In the gold column a number without a name stands for that of
    the task's labels, and the task's other spellings are replaced. `id` becomes a string; where it is missing, it is
    `row_id`. Not checked: see `data.checks`.
    """
    from datasets import Dataset

    to_examples = _Converter(task, dataset.features, language, columns)
    if isinstance(dataset, Dataset):
        stored = dataset if limit is None else dataset.select(range(min(limit, len(dataset))))
        return DatasetExamples(stored, to_examples)
    rows: list[Example] = []
    for batch in _batches(dataset) if limit is None else _rows(dataset, limit):
        rows += to_examples(batch, itertools.count(len(rows)))
    return rows


class DatasetExamples(Sequence[Example]):
    """The rows of a `datasets.Dataset` as examples, converted each time that they are asked for."""

    def __init__(self, dataset: Any, to_examples: _Converter) -> None:
        # Arrow rows become Python values many at a time; what the author's own `with_transform` makes stays as it is.
        own = dataset.format
        self._dataset = dataset if own["type"] == "custom" else dataset.with_format("arrow", columns=own["columns"])
        self._to_examples = to_examples

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[Example]:
        for start in range(0, len(self), BATCH):
            yield from self._rows(range(start, min(start + BATCH, len(self))))

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        rows = range(len(self))[index]
        return self._rows([rows])[0] if isinstance(rows, int) else self._rows(rows)

    def _rows(self, rows: Sequence[int]) -> list[Example]:
        batch = self._dataset[list(rows)]
        return self._to_examples(batch if self._dataset.format["type"] == "custom" else batch.to_pydict(), rows)


class _Converter:
    """Makes examples out of a batch: a list of values for each column, and the rows' numbers."""

    def __init__(self, task: Task, features: Any, language: str, columns: Mapping[str, str] | None) -> None:
        self._task = task
        self._language = language
        self._columns = columns
        self._names = {column: names for column in features or () if (names := _class_names(features[column]))}
        """Column of the dataset -> the names of its numbers."""

    def __call__(self, batch: Mapping[str, Sequence[Any]], numbers: Iterable[int]) -> list[Example]:
        source = self._columns if self._columns is not None else {column: column for column in batch}
        values = {canonical: self._decoded(canonical, column, batch[column]) for canonical, column in source.items()}
        if "id" in values:
            ids: Iterable[str] = map(str, values.pop("id"))
        else:
            ids = (row_id(self._task, self._language, number) for number in numbers)
        columns = ("id", *values)
        return [dict(zip(columns, row, strict=True)) for row in zip(ids, *values.values(), strict=False)]

    def _decoded(self, canonical: str, column: str, values: Sequence[Any]) -> Sequence[Any]:
        names = self._names.get(column)
        if canonical == self._task.kind.gold_column:
            return [_label(value, names or self._task.kind.labels, self._task.label_aliases) for value in values]
        return values if names is None else [_label(value, names, {}) for value in values]


def _batches(stream: Any) -> Iterator[Mapping[str, Sequence[Any]]]:
    """All rows of a stream as Python values, many at a time."""
    if stream.features is None:  # rows of Python from beginning to end, of types that only the rows tell
        yield from _rows(stream, None)
    else:
        for table in stream.with_format("arrow").iter(BATCH):
            yield table.to_pydict()


def _rows(stream: Any, limit: int | None) -> Iterator[Mapping[str, Sequence[Any]]]:
    """The first rows of a stream as Python values, one at a time: `take` and batches would read a row more."""
    for row in itertools.islice(stream.with_format(None), limit):
        yield {column: [value] for column, value in row.items()}


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them; None for a column of plain values."""
    while hasattr(feature, "feature"):
        feature = feature.feature
    return getattr(feature, "names", None)


def _label(value: Any, names: Sequence[str], aliases: Mapping[str, str]) -> Any:
    """A label's name in the task's spelling: a number stands for `names[number]`; a list is taken one by one.

    A number that has no name (-1 marks a missing label on the hub) becomes its digits, for the check to refuse.
    """
    if isinstance(value, list):
        return [_label(one, names, aliases) for one in value]
    if isinstance(value, int):
        value = names[value] if 0 <= value < len(names) else str(value)
    return aliases.get(value, value) if isinstance(value, str) else value


def require_examples(task: Task, loaded: Any, where: str) -> None:
    """Raises PluginError where `Task.load` returned something that is no sequence of examples."""
    if isinstance(loaded, Mapping) or not isinstance(loaded, Sequence):
        name = type(loaded).__name__
        hint = "; name a split: load_dataset(..., split=...)" if name.endswith("DatasetDict") else ""
        expected = "a sequence of examples, a datasets.Dataset or a datasets.IterableDataset is expected"
        raise blamed(task, "load", where, f"it gives a {name}; {expected}{hint}")
