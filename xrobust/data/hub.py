"""The Hugging Face hub, read as parquet files of a pinned revision. No code of a repository is ever run."""

from __future__ import annotations

import fnmatch
import glob
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts.example import Example
from xrobust.contracts.task import HubFiles, Split, Task, loads_itself
from xrobust.data.checks import checked
from xrobust.data.hf_datasets import examples_of
from xrobust.errors import OutOfReach, UserError, did_you_mean
from xrobust.runtime.libraries import HUB_TIMEOUT

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
        examples = examples_of(task, self._dataset(task, hub, split, language), language, columns=hub.columns)
        if loads_itself(task):
            return examples  # which its `load` may change: the caller checks what it returns
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
        """The data set's id and commit sha; the name of a task that loads data of somewhere else, and None."""
        hub = task.info.hub
        return {"id": hub.repo if hub else task.info.name, "revision": hub.revision if hub else None}

    sample = False

    def _dataset(self, task: Task, hub: HubFiles, split: Split, language: str) -> Any:
        """The columns of a split that the task takes, as a `datasets.IterableDataset` over its files.

        A stream, since a `Dataset` would be written to disk once more, as Arrow beside the parquet files.
        """
        from datasets import Dataset

        pattern = _pattern(hub, split, language)
        files = self._cached(hub, pattern) or self._fetched(task, hub, pattern)
        # The names are patterns to `datasets`. No `load_dataset`: it asks the network even for files of this machine.
        dataset = Dataset.from_parquet([glob.escape(str(file)) for file in files], streaming=True)
        if missing := sorted(set(hub.columns.values()) - set(dataset.features)):
            raise UserError(f"{task.info.name}: {pattern} of {_where(hub)} has no column {', '.join(missing)}")
        return dataset.select_columns(list(dict.fromkeys(hub.columns.values())))

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
            info = huggingface_hub.HfApi().dataset_info(hub.repo, revision=hub.revision, timeout=HUB_TIMEOUT)
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
