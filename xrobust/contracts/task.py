"""A task: what is measured. A built-in task is a declaration of about 40 lines; see `tasks/xnli.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from xrobust.contracts.example import Example
from xrobust.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset, IterableDataset

    from xrobust.contracts.cleaner import Cleaner
    from xrobust.contracts.kind import Kind
    from xrobust.contracts.metric import Metric

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class HubFiles:
    """Place of a task's parquet files on the Hugging Face hub. Only the files of the split asked for are fetched."""

    repo: str
    """Data set id, `owner/name`."""
    revision: str
    """Commit sha (40 hex digits): a branch name would let the data change under a published score."""
    files: str
    """Path pattern in the repository, with `{language}` and `{split}`, for instance `{language}/{split}-*.parquet`."""
    columns: Mapping[str, str]
    """Canonical column -> column of the parquet file. Class labels arrive as their names. `id` may be left out."""
    splits: Mapping[str, str] = field(default_factory=lambda: {"train": "train", "dev": "validation", "test": "test"})
    configs: Mapping[str, str] = field(default_factory=dict)
    """Language code -> what `{language}` becomes, where that is not the code itself."""


@dataclass(frozen=True)
class TaskInfo:
    """Facts about a task."""

    name: str
    """As its entry point is called: lower case, digits and underscores."""
    summary: str
    """One line, shown by `xrobust list tasks`."""
    languages: tuple[str, ...]
    """ISO 639 codes of the languages that can be scored on the hub's copy; a local folder may hold others."""
    license: str
    citation: str
    source_language: str = "en"
    hub: HubFiles | None = None


@dataclass(frozen=True)
class Expected:
    """A published score: a run of the same model that lands outside [low, high] is marked with a warning."""

    model: str
    metric: str
    low: float
    """Fractions of 1, of the average over all the task's languages, the source language included."""
    high: float
    source: str
    """Place where the score is published."""


@dataclass(frozen=True)
class Recipe:
    """Published training settings: the defaults of a run. Anything here can be set with `--set training.<name>=...`."""

    epochs: int
    learning_rate: float
    select_every: int | None = None
    """Optimiser steps between two looks at the source dev set; None: `training.dev_looks` looks a run. A number makes
    budgets unequal: a method that trains for longer looks more often, and keeps the best of more weights."""
    batch_size: int = 32
    """Examples per optimiser step, over all accumulation steps and processes."""
    max_length: int = 128
    """Word pieces per model input, special tokens included."""
    expected: tuple[Expected, ...] = ()
    source: str = ""
    """Place where these settings are published."""


class Source(Protocol):
    """A source of examples: a local folder or the hub."""

    def load(self, task: Task, split: Split, language: str) -> Sequence[Example]:
        """All rows of a split in file order, in canonical columns, checked. Raises UserError."""

    def files(self, task: Task, split: Split, language: str) -> list[Path] | None:
        """The files that `load` reads, and those that it would read if they were there; None where that is not known.
        What is in them decides what `load` gives, and nothing else does."""

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """The languages that `split` exists in, sorted."""

    def describe(self, task: Task) -> dict[str, str | None]:
        """`id` and `revision` of the data, for the result document."""

    @property
    def sample(self) -> bool:
        """True for sample data to try things on, whose scores mean nothing."""


class Task:
    """Base of all tasks. Subclass it, fill the class attributes, name it in the entry-point group `xrobust.tasks`."""

    info: ClassVar[TaskInfo]
    kind: ClassVar[Kind]
    """How text becomes model input and model output becomes predictions."""
    metrics: ClassVar[tuple[str | Metric, ...]]
    """Metric ids, metrics of the plugin's own (`xrobust.contracts.Metric`, `WholeSetMetric`), or modules of the library
    `evaluate` (`xrobust.metrics.FromEvaluate`); the first is the main score, which selects on the source dev set."""
    recipe: ClassVar[Recipe]
    columns: ClassVar[tuple[str, ...]]
    """Canonical names of the columns of `<split>-<language>.tsv`, in file order. A name that stands there several times
    gathers its columns into a list: `("text", "choices", "choices", "label")`."""
    parallel_rows: ClassVar[bool] = False
    """True where row i is the same sentence in every language: then the row number is the id. Else, and where no
    `<split>-<language>.ids` file gives ids, the id is `<language>:<row>`."""
    order_decides: ClassVar[bool] = False
    """True where two texts with the same words in another order may have another label, as in PAWS-X by design: then
    no perturbation may change the order."""
    transfer_perturbations: ClassVar[tuple[str, ...]] = ()
    """Perturbations that `--transfer-pairs` scores the task under where none is named."""
    label_aliases: ClassVar[Mapping[str, str]] = {}
    """Other spellings of labels in published files -> the label."""

    def load(self, split: Split, language: str, source: Source) -> Sequence[Example] | Dataset | IterableDataset:
        """The examples of one split in one language. Override it for data that no source knows how to read.

        Args:
            split: train, dev or test.
            language: ISO 639 code.
            source: the folder or the hub that the user named; an override need not use it.

        Returns:
            The rows in order, in the columns of the task's kind, as a sequence of dicts; or, since what `load_dataset`
            gives does as well, a `datasets.Dataset` (it is left where it lies, and read a part at a time) or a
            `datasets.IterableDataset` (a stream: with `--limit` no more rows than that are read, if the task has no
            `cleaner`). Of these two, class labels become their names, a number in a gold column of plain numbers
            stands for the label at that place of `kind.labels`, and rows without an `id` get one by the rule of
            `parallel_rows`. Values are text, numbers and lists of them: leave other columns out. Pin the revision of
            what comes from the hub; the rows' fingerprint is part of the run's identity.

        The rows are copied: what is done to them later has no effect. The languages that can be scored are those that
        `languages` names. Raises UserError for what is not there; rows are checked by the caller.
        """
        return source.load(self, split, language)

    def languages(self, split: Split, source: Source) -> tuple[str, ...]:
        """The languages that `split` exists in. To be overridden together with `load` where the source cannot know.

        By default those that the source has files of. Where there are none and `load` is overridden, the languages of
        `info` are scored.
        """
        return source.languages(self, split)

    def cleaner(self, rows: Iterable[Example]) -> Cleaner | None:
        """A function that cleans each row, or leaves it out; None, the default, uses the rows as they are.

        Called once for each split in each language, and for a user's own text that is to be labelled, whose rows have
        neither a gold label nor, in memory, an end: `rows` may be looked through once, from the first to the last, to
        find out what is to be done.
        """
        return None

    def convert(self, dump: Path, language: str, output: Path, seed: int) -> list[str]:
        """Writes the task's files of one language to the folder `output`, made from `dump`; optional.

        What `xrobust data convert TASK DUMP` calls. Returns lines that say what was written. Raises UserError.
        """
        raise UserError(f"task {self.info.name} makes no files of a dump: it reads its data as they are published")

    def files(self, split: Split, language: str, source: Source) -> list[Path] | None:
        """All files that `load` reads, or would if they were there; None where that is not known, and the data are then
        read at each start of a run. To be overridden together with `load`."""
        return None if loads_itself(self) else source.files(self, split, language)


def loads_itself(task: Task) -> bool:
    """True for a task that reads its data by code of its own, which may need no file, or files of other names."""
    return type(task).load is not Task.load
