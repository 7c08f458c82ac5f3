"""Runs that an experiment asks for: their documents, and the number of those that are not complete."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xrobust.results.experiment_index import ExperimentIndex, ExperimentRun, document_of, require_index
from xrobust.results.run_filter import RunFilter, identity_values


@dataclass(frozen=True)
class AskedRuns:
    """The runs of an experiment."""

    folder: Path
    """Folder of the experiment's own files."""
    index: ExperimentIndex

    @classmethod
    def of(cls, folder: Path) -> AskedRuns:
        """The runs of the experiment in a folder. Raises UserError without a usable index."""
        return cls(folder, require_index(folder))

    @property
    def name(self) -> str:
        return self.index.name

    @cached_property
    def documents(self) -> dict[Path, ExperimentRun]:
        """Document -> run, for the runs that have one."""
        found = ((document_of(self.folder, run), run) for run in self.index.runs)
        return {file: run for file, run in found if file is not None}

    @cached_property
    def by_place(self) -> dict[str, ExperimentRun]:
        """Real path of the run's folder -> run, for the runs that have a document."""
        return {os.path.realpath(file.parent): run for file, run in self.documents.items()}

    def without_document(self, wanted: RunFilter | None) -> int:
        """The number of runs that have no document yet and may fit a filter, as far as the index says."""
        begun = set(self.documents.values())
        return sum(run not in begun and self.may_fit(run, wanted) for run in self.index.runs)

    @staticmethod
    def may_fit(run: ExperimentRun, wanted: RunFilter | None) -> bool:
        """True if a run may fit a filter, as far as the index says."""
        return wanted is None or wanted.may_fit(identity_values(run.task, run.method, run.model, run.seed))
