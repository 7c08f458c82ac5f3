"""How much of a test set was already there in the training set (Manafi and Krishnaswamy, LREC-COLING 2024)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.contracts import Example, Kind, Source, Split, Task
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import load_split
from xrobust.data.text import entity_chunks, entity_tokens, word_pattern
from xrobust.results.budgets import SpentBudget, spent_budget
from xrobust.results.run_plugins import run_plugins
from xrobust.results.runs import Group, grouped, mean_scores, purpose_id
from xrobust.results.schema import RunResult

SHARES = ("entities", "chunks", "words")
"""The fields of `Overlap`."""


@dataclass(frozen=True)
class Overlap:
    """Shares, fractions of 1. None where the test set has nothing to count: no entities, no words."""

    entities: float | None
    """Of the entity tokens of the test set, those whose (token, tag) is an entity token of the training set."""
    chunks: float | None
    """Of the different entities of the test set, those that are entities of the same type in the training set."""
    words: float | None
    """Of the words of the test set, each occurrence counted, those that occur in the training set."""


@dataclass(frozen=True)
class Measured:
    """The overlap of one training set with one test set, and what was scored there."""

    task: str
    purpose: str
    """Hash of task, model and limit: of all that is trained for but the source language and its data."""
    source: str
    language: str
    metric: str
    rows: str
    """sha256 of the training rows."""
    overlap: Overlap
    examples: int
    """Examples of the test set."""
    scores: dict[str, float]
    """Method -> clean score, mean over seeds."""
    budgets: dict[str, SpentBudget | None]
    """Method -> training budget of the runs that the score is of."""


def overlaps(train: Sequence[Example], test: Sequence[Example], kind: Kind) -> Overlap:
    """Overlap of a test set with a training set, both examples of `kind`.

    Tokens of tagging tasks are compared as they are; words of texts are lower-cased runs of letters, digits and marks.
    """
    return TrainingVocabulary(train, kind).overlap(test)


class TrainingVocabulary:
    """Entities and words of a training set, counted once for many test sets."""

    def __init__(self, train: Sequence[Example], kind: Kind) -> None:
        self._kind = kind
        self._has_entities = kind.pre_split and any(label.startswith("B-") for label in kind.labels)
        self._entities, self._chunks, self._words = (set(items) for items in self._items(train))

    def overlap(self, test: Sequence[Example]) -> Overlap:
        """See `overlaps`."""
        entities, chunks, words = self._items(test)
        return Overlap(
            entities=_share_of_occurrences(self._entities, entities),
            chunks=_share_of_occurrences(self._chunks, Counter(set(chunks))),
            words=_share_of_occurrences(self._words, words),
        )

    def _items(self, examples: Sequence[Example]) -> tuple[Counter[Any], Counter[Any], Counter[str]]:
        """Entity tokens, entities and words -> how often each occurs."""
        words = Counter(word for example in examples for word in self._words_of(example))
        if not self._has_entities:
            return Counter(), Counter(), words
        return entity_tokens(examples), entity_chunks(examples), words

    def _words_of(self, example: Example) -> Iterator[str]:
        for column in self._kind.text_columns:
            text = example.get(column) or ()
            if self._kind.pre_split:
                yield from text
            else:
                for part in [text] if isinstance(text, str) else text:
                    yield from word_pattern().findall(part.lower())


def _share_of_occurrences(known: set[Any], items: Counter[Any]) -> float | None:
    return sum(n for item, n in items.items() if item in known) / items.total() if items else None


def measure(
    results: Sequence[RunResult],
    *,
    metric: str | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    plugin_files: Sequence[Path] = (),
) -> tuple[list[Measured], list[str]]:
    """The overlap for each task, source and language that runs have clean scores in; and notes.

    The data are read again from where they lay, or from `data_dir`; a note says which rows are no longer those that
    the runs used. `plugin_files` are those of the runs' tasks. Raises UserError where the data cannot be read.
    """
    purposes: dict[str, list[Group]] = {}
    for group in grouped(results):
        purposes.setdefault(purpose_id(group.train), []).append(group)
    measured: list[Measured] = []
    notes: list[str] = []
    opened: dict[tuple[str, ...], _Data] = {}
    for groups in purposes.values():
        first = groups[0].results[0]
        train = first.spec.train
        wanted = metric or first.main_metric
        tables = []
        for group in groups:
            means, remarks = mean_scores([group], wanted)
            tables.append(means[0])
            notes += remarks
        languages = sorted({language for table in tables for language in table})
        if not languages:
            notes.append(f"{train.task}, source {train.source}: no {wanted}: left out")
            continue
        folder = data_dir or first.require_local().data_dir
        key = (str(folder), train.task, str(train.task_plugin_sha256), train.source, str(train.limit))
        if key not in opened:
            opened[key] = _Data(first, folder, offline, plugin_files)
        data = opened[key]
        sizes = {row.name: row.n for group in groups for row in group.results[0].clean_scores()}
        for language in languages:
            measured.append(
                Measured(
                    task=train.task,
                    purpose=purpose_id(train, "source", "data"),
                    source=train.source,
                    language=language,
                    metric=wanted,
                    rows=train.data["train"],
                    overlap=data.overlap(language),
                    examples=sizes[language],
                    scores={g.method: t[language] for g, t in zip(groups, tables, strict=True) if language in t},
                    budgets={g.method: spent_budget(g.results) for g in groups},
                )
            )
        runs = [result for group in groups for result in group.results]
        if other := dict.fromkeys(name for result in runs for name in data.other_rows(result)):
            notes.append(
                f"{train.task}, source {train.source}: the rows of {', '.join(other)} in {folder or 'the hub'} are not "
                "those that the runs used"
            )
    return measured, list(dict.fromkeys(notes))


class _Data:
    """The data of a run, read again: the training set once, each test set once."""

    def __init__(
        self, result: RunResult, folder: str | Path | None, offline: bool, plugin_files: Sequence[Path]
    ) -> None:
        self._train = result.spec.train
        plugins = run_plugins(result, plugin_files, methods=False).plugins
        self._task: Task = plugins.task(self._train.task, self._train.task_plugin_version)
        self._source: Source = open_source(data_folder(folder), offline)
        self._overlaps: dict[str, Overlap] = {}
        self._read: dict[tuple[Split, str], str] = {}
        self._vocabulary = TrainingVocabulary(self._examples("train", self._train.source), self._task.kind)

    def _examples(self, split: Split, language: str) -> Sequence[Example]:
        examples, rows = load_split(self._task, self._source, split, language, self._train.limit)
        self._read[split, language] = rows.sha256
        return examples

    def overlap(self, language: str) -> Overlap:
        """Of the training set with the test set in `language`. Raises UserError."""
        if language not in self._overlaps:
            self._overlaps[language] = self._vocabulary.overlap(self._examples("test", language))
        return self._overlaps[language]

    def other_rows(self, result: RunResult) -> list[str]:
        """Sets that were read and whose rows are not those that a run used: `train en`, `test de`."""
        used = {(rows.split, rows.language): rows.sha256 for rows in result.data.used}
        return [" ".join(key) for key, sha256 in self._read.items() if used.get(key, sha256) != sha256]
