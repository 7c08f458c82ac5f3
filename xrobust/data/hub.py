"""The Hugging Face hub, read as parquet files of a pinned revision. No code of a repository is ever run."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts.example import Example
from xrobust.contracts.task import HubFiles, Split, Task
from xrobust.data.checks import checked
from xrobust.errors import OutOfReach, UserError, did_you_mean

TIMEOUT = 10.0
"""Seconds to wait for the hub's first answer."""

SHARDS = re.compile(r"-of-(\d+)\.parquet$")
"""The number of files that a split has, in the name of each: `test-00000-of-00002.parquet`."""


class HubSource:
    """Reads the files that a task's `TaskInfo.hub` names (a `contracts.task.Source`).

    Of a language only the files of the split asked for are fetched, and kept in the hub's own cache. With `offline`
    nothing but that cache is used.
    """

    def __init__(self, offline: bool) -> None:
        self.offline = offline

    def load(self, task: Task, split: Split, language: str) -> Sequence[Example]:
        """All rows of a split in file order, in canonical columns, checked. Raises UserError."""
        hub = _files(task)
        if language not in task.info.languages:
            raise UserError(
                f"{task.info.name}: no language {language!r} on the hub; {did_you_mean(language, task.info.languages)}"
            )
        if split not in hub.splits:
            raise UserError(f"{task.info.name}: {hub.repo} has no {split} set")
        columns = self._columns(task, hub, split, language)
        ids = columns.pop("id", None)
        length = len(next(iter(columns.values())))
        if ids is None:
            ids = [str(row) if task.parallel_rows else f"{language}:{row}" for row in range(length)]
        names = tuple(columns)
        rows = zip(ids, *columns.values(), strict=True)
        examples = [{"id": str(i), **dict(zip(names, row, strict=True))} for i, *row in rows]
        return checked(task, examples, f"{split} set in {language!r} of {_where(hub)}")

    def files(self, task: Task, split: Split, language: str) -> list[Path] | None:
        """The parquet files, where the hub's cache has all of them."""
        hub = task.info.hub
        if hub is None or language not in task.info.languages or split not in hub.splits:
            return None
        return self._cached(hub, _pattern(hub, split, language)) or None

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """The task's languages: what a split lacks is known when its files are asked for."""
        return tuple(sorted(task.info.languages))

    def describe(self, task: Task) -> dict[str, str | None]:
        """The data set's id and commit sha."""
        hub = _files(task)
        return {"id": hub.repo, "revision": hub.revision}

    sample = False

    def _columns(self, task: Task, hub: HubFiles, split: Split, language: str) -> dict[str, list[Any]]:
        """Canonical column -> its values, labels as names."""
        import datasets
        import pyarrow.parquet

        pattern = _pattern(hub, split, language)
        files = self._cached(hub, pattern) or self._fetched(task, hub, pattern)
        schema = pyarrow.parquet.read_schema(files[0])
        if missing := sorted(set(hub.columns.values()) - set(schema.names)):
            raise UserError(f"{task.info.name}: {pattern} of {_where(hub)} has no column {', '.join(missing)}")
        wanted = list(dict.fromkeys(hub.columns.values()))
        values = pyarrow.concat_tables(pyarrow.parquet.read_table(file, columns=wanted) for file in files).to_pydict()
        columns = {canonical: values[column] for canonical, column in hub.columns.items()}
        gold = task.kind.gold_column
        if gold in columns:
            names = _class_names(datasets.Features.from_arrow_schema(schema)[hub.columns[gold]]) or task.kind.labels
            columns[gold] = [_named(label, names, task) for label in columns[gold]]
        return columns

    def _cached(self, hub: HubFiles, pattern: str) -> list[Path]:
        """The files, if the cache has all of them: a commit never changes, so that nothing need be asked."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = snapshot_download(
                hub.repo, repo_type="dataset", revision=hub.revision, allow_patterns=pattern, local_files_only=True
            )
        except LocalEntryNotFoundError:
            return []
        files = sorted(Path(folder).glob(pattern))
        shards = SHARDS.search(files[0].name) if files else None
        return files if shards is None or int(shards[1]) == len(files) else []

    def _fetched(self, task: Task, hub: HubFiles, pattern: str) -> list[Path]:
        """The files, from the hub. `datasets.load_dataset` is not used: without a network it takes another revision for
        the pinned one, or does not find what it has fetched (datasets 5.2), and it waits half a minute to say so."""
        import huggingface_hub
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        if self.offline:
            raise OutOfReach(f"{task.info.name}: {pattern} of {_where(hub)} is not in the cache", "use --data-dir")
        if not sys.stderr.isatty():
            disable_progress_bars()
        try:
            # This request is not repeated when it fails, as the later ones are: no network is said at once.
            info = huggingface_hub.HfApi().dataset_info(hub.repo, revision=hub.revision, timeout=TIMEOUT)
            names = sorted(
                file.rfilename for file in info.siblings or () if fnmatch.fnmatchcase(file.rfilename, pattern)
            )
            if names:
                return [
                    Path(huggingface_hub.hf_hub_download(hub.repo, name, repo_type="dataset", revision=hub.revision))
                    for name in names
                ]
        except Exception as error:  # of several libraries; the log has the whole chain
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise OutOfReach(
                f"{task.info.name}: cannot get {pattern} of {_where(hub)} from the hub ({reason})", "use --data-dir"
            ) from error
        raise UserError(f"{task.info.name}: there is no file {pattern} in {_where(hub)}")


def _pattern(hub: HubFiles, split: Split, language: str) -> str:
    """The names of a split's files in one language."""
    return hub.files.format(language=hub.configs.get(language, language), split=hub.splits[split])


def _where(hub: HubFiles) -> str:
    return f"{hub.repo} at {hub.revision}"


def _files(task: Task) -> HubFiles:
    if task.info.hub is None:
        raise UserError(
            f"{task.info.name} is not on the hub; use --data-dir FOLDER (its files: xrobust show task {task.info.name})"
        )
    return task.info.hub


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them; None for a column of plain values."""
    while hasattr(feature, "feature"):
        feature = feature.feature
    return getattr(feature, "names", None)


def _named(label: Any, names: Sequence[str], task: Task) -> Any:
    """A label's name in the task's spelling: a number stands for `names[number]`; a list is taken one by one.

    A number that has no name (-1 marks a missing label on the hub) becomes its digits, for the check to refuse.
    """
    if isinstance(label, list):
        return [_named(one, names, task) for one in label]
    if isinstance(label, int):
        label = names[label] if 0 <= label < len(names) else str(label)
    return task.label_aliases.get(label, label)
