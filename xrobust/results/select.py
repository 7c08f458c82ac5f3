"""Selects runs by what a user names them with: a path, a glob, an id, a filter or an experiment."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xrobust.errors import UserError, shown
from xrobust.results.asked_runs import AskedRuns
from xrobust.results.experiment_index import INDEX, TRIALS, in_trials, is_trial
from xrobust.results.find_experiment import find_experiment, hint
from xrobust.results.run_filter import RunFilter, is_filter
from xrobust.results.schema import RunResult
from xrobust.results.store import RESULT, load_result, run_folder_of

ID_DIGITS = 16
FEWEST_DIGITS = 6
"""Digits of an id that are enough, if no other id begins with them."""
MOST_IDS = 4
"""Most ids in an error message."""


@dataclass(frozen=True)
class FoundRun:
    """A verified document and the folder of its run."""

    folder: Path
    result: RunResult


@dataclass(frozen=True)
class LeftOut:
    """A run or document that was reached and cannot be used."""

    path: str
    """The document, or the folder of a run whose document is whole."""
    reason: str
    """One line, which reads on after the path."""
    by_name: bool = False
    """True if the user named exactly this run: by its path or its whole run id, not by a search."""
    runs: int = 1
    """Runs that it counts as: of an experiment those that have no document."""


@dataclass(frozen=True)
class Selection:
    """The runs that one argument stands for, each once."""

    argument: str
    runs: tuple[FoundRun, ...]
    left_out: tuple[LeftOut, ...]
    experiment: AskedRuns | None = None
    """Set where the argument is an experiment."""


def path_text(argument: object) -> str:
    """A path, glob, id or filter as text. Raises UserError for a list of them, or anything else."""
    if not isinstance(argument, str | os.PathLike):
        raise UserError(f"{shown(argument)} is no path, id or filter: give each as text, an argument of its own")
    return str(argument)


def select(argument: str, below: Path, *, where: str | None = None, complete: bool = True) -> Selection:
    """The runs that an argument stands for. See `select_all`."""
    return select_all([argument], below, where=where, complete=complete)[0]


def select_all(
    arguments: Sequence[str], below: Path, *, where: str | None = None, complete: bool = True
) -> list[Selection]:
    """The runs that each argument stands for; every document is read once, whichever arguments reach it.

    An argument is a run's folder or document, a folder of runs at any depth, a glob (`**` goes any depth), the id of a
    run or group below the folder `below` or its first 6 digits or more, a filter over the runs there, such as
    `method=rs_aug,seed=1`, or an experiment: its name, looked up there, or its file or folder. `where` is a filter on
    top of each. Trials of tuning are left out, unless the argument names their folder or something in it. With
    `complete`, runs that are not complete or have no scores are left out, as are damaged documents always. Of several
    documents of one run the newest is taken.

    Raises UserError for an argument that is none of these, or that nothing fits.
    """
    searches = [search(argument, below, where) for argument in arguments]
    wanted: dict[str, tuple[Path, list[Search]]] = {}
    for one in searches:
        for file in one.files:
            its = wanted.setdefault(os.path.realpath(file), (file, []))[1]
            if one not in its:
                its.append(one)
    for file, its in wanted.values():
        document = read(file)
        for one in its:
            one.offer(document)
    return [one.selection(complete) for one in searches]


def documents_below(folder: Path) -> list[Path]:
    """The documents in a folder, at any depth, in order; without trials of tuning, unless the folder is among these."""
    return sorted(file for file in folder.rglob(RESULT) if not is_trial(file, folder))


def read(file: Path) -> FoundRun | LeftOut:
    """A document with its run's folder, or the reason why it cannot be used."""
    try:
        return FoundRun(run_folder_of(file), load_result(file))
    except UserError as error:
        return LeftOut(str(file), str(error).removeprefix(str(file)).lstrip(": "))


def each_once(found: Iterable[FoundRun]) -> tuple[list[FoundRun], list[LeftOut]]:
    """Each run once, by its newest document; and the others whose content is not the same."""
    kept: dict[str, FoundRun] = {}
    left: list[LeftOut] = []
    for run in found:
        other = kept.setdefault(run.result.run_id, run)
        if other is run:
            continue
        older, newer = sorted((run, other), key=lambda one: (one.result.updated, one.result.local is not None))
        kept[run.result.run_id] = newer
        if older.result.computed_sha256() != newer.result.computed_sha256():
            reason = f"of run {run.result.run_id} there is another document, which is taken: in {newer.folder}"
            left.append(LeftOut(str(older.folder), reason))
    return list(kept.values()), left


@dataclass(eq=False)
class Search:
    """One argument: the documents to look at, and those of them that fit."""

    argument: str
    files: list[Path]
    where: str
    """The place, for errors: `in runs`."""
    by_name: bool = False
    prefix: str | None = None
    """Digits that the run id or the group id begins with."""
    filter: RunFilter | None = None
    experiment: AskedRuns | None = None
    fitting: list[FoundRun] = field(default_factory=list)
    damaged: list[LeftOut] = field(default_factory=list)

    def offer(self, document: FoundRun | LeftOut) -> None:
        """Keeps a document if it fits. A filter on top of an id has to wait until it is known whose id it is."""
        if isinstance(document, LeftOut):
            self.damaged.append(document)
        elif self._ids(document.result) if self.prefix else self._passes(document):
            self.fitting.append(document)

    def selection(self, complete: bool) -> Selection:
        """The runs, after all documents were offered. Raises UserError where none fits."""
        unreadable, fitting = self.damaged, self.fitting
        if self.prefix is not None:
            the_id = self._one_id()
            if any(run.result.run_id == the_id for run in fitting):
                self.by_name, unreadable = self.prefix == the_id, []
            fitting = [run for run in fitting if self._passes(run)]
        self.require_fitting(bool(fitting))
        reasons = [unfit(run.result) if complete else None for run in fitting]
        usable = [run for run, reason in zip(fitting, reasons, strict=True) if reason is None]
        others = [LeftOut(str(run.folder), reason) for run, reason in zip(fitting, reasons, strict=True) if reason]
        runs, duplicates = each_once(usable)
        left_out = [replace(one, by_name=self.by_name) for one in (*unreadable, *others, *duplicates)]
        left_out += self.not_complete(len(usable), len(unreadable) + len(others))
        return Selection(self.argument, tuple(runs), tuple(left_out), self.experiment)

    def require_fitting(self, found: bool) -> None:
        """Raises UserError for a filter that no run fits, nor a run that an experiment asks for and has not begun."""
        if self.filter is None or found or self._without_document():
            return
        if self.filter.looked_at or self.experiment is not None:
            raise self.filter.nothing_fits(self.where)

    def not_complete(self, complete: int, others: int) -> list[LeftOut]:
        """A line on the runs of an experiment that are not complete, of which `others` have a document."""
        missing = self._without_document()
        if self.experiment is None or not missing + others:
            return []
        are = "is" if missing + others == 1 else "are"
        reason = f"{missing + others} of {complete + others + missing} runs {are} not complete"
        return [LeftOut(self.experiment.name, reason, runs=missing)]

    def _without_document(self) -> int:
        return 0 if self.experiment is None else self.experiment.without_document(self.filter)

    def takes(self, run: FoundRun) -> bool:
        """True if the run has the id, or one that begins like it, and passes the filter."""
        return bool(self.prefix is None or self._ids(run.result)) and self._passes(run)

    def _passes(self, run: FoundRun) -> bool:
        return self.filter is None or self.filter.fits(run.result)

    def _ids(self, result: RunResult) -> list[str]:
        return [one for one in (result.run_id, result.group_id) if one.startswith(self.prefix or "")]

    def _one_id(self) -> str:
        """The id that the digits stand for. Raises UserError where it is none or several."""
        ids = sorted({one for run in self.fitting for one in self._ids(run.result)})
        if not ids:
            damaged = f"; documents there that cannot be read: {len(self.damaged)}" if self.damaged else ""
            raise UserError(
                f"no run or group {self.where} has an id that begins with {self.argument} "
                f"(xrobust runs FOLDER lists them){damaged}"
            )
        if len(ids) > 1:
            more = f" and {len(ids) - MOST_IDS} others" if len(ids) > MOST_IDS else ""
            raise UserError(
                f"{self.argument} is the beginning of several ids {self.where}: {', '.join(ids[:MOST_IDS])}{more}: "
                "give more digits"
            )
        return ids[0]


def unfit(result: RunResult) -> str | None:
    """The reason why a run is not complete, or None."""
    if result.status != "complete":
        return f"the run is {result.status}, not complete"
    return None if result.scores else "the run has no scores"


def search(argument: str, below: Path, where: str | None) -> Search:
    """The kind of an argument, and the documents to look at. Raises UserError."""
    on_top = None if where is None else RunFilter(where)
    if (experiment := find_experiment(argument, below)) is not None:
        asked = AskedRuns.of(experiment)
        return Search(argument, list(asked.documents), f"in experiment {asked.name}", filter=on_top, experiment=asked)
    if argument and os.path.exists(argument):  # noqa: PTH110 - Path.exists raises for a name that is too long
        path = Path(argument)
        if path.is_file() or (path / RESULT).exists():
            return Search(argument, [path if path.is_file() else path / RESULT], f"in {path}", True, filter=on_top)
        files = documents_below(path)
        if not files:
            trials = " but in trials of tuning, which are no results" if any(path.rglob(RESULT)) else ""
            raise UserError(f"no runs in {path}: there is no {RESULT} at any depth{trials}")
        return Search(argument, files, f"in {path}", filter=on_top)
    if is_filter(argument):
        both = argument if where is None else f"{argument},{where}"
        return Search(argument, _all_below(below, argument), f"in {below}", filter=RunFilter(both))
    if re.fullmatch(rf"[0-9a-f]{{{FEWEST_DIGITS},{ID_DIGITS}}}", argument):
        files = _all_below(below, argument)
        return Search(argument, files, f"in {below}", prefix=argument, filter=on_top)
    if glob.has_magic(argument):
        return Search(argument, _matching(argument), f"in {argument}", filter=on_top)
    raise UserError(
        f"{argument or shown(argument)} does not exist: name a folder of runs, a run's folder or document, an id of "
        f"{FEWEST_DIGITS} digits or more, a glob, a filter such as method=rs_aug, or an experiment"
        f"{hint(argument, below)}"
    )


def _all_below(below: Path, argument: str) -> list[Path]:
    """The documents that an id or a filter is looked up in. Raises UserError where there are none."""
    if not below.is_dir():
        raise UserError(f"{argument}: there is no folder {below} to look for runs in")
    if not (files := documents_below(below)):
        raise UserError(f"{argument}: there are no runs in {below}")
    return files


def _matching(pattern: str) -> list[Path]:
    """The documents that a glob matches, and those in the folders that it matches. Raises UserError.

    Trials of tuning are among them where the pattern names their folder.
    """
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - absolute ones too
    if not _names_trials(Path(pattern)):
        paths = [path for path in paths if not in_trials(path)]
    if not paths:
        raise UserError(f"{pattern} matches nothing")
    files: dict[Path, None] = {}
    searched: set[Path] = set()
    for path in paths:
        if path.is_dir():
            if not searched.intersection(path.parents):
                searched.add(path)
                files.update(dict.fromkeys(documents_below(path)))
        elif path.name == RESULT or (path.suffix == ".json" and not _part_of_a_run(path)):
            files[path] = None
    if not files:
        raise UserError(f"{pattern} matches {len(paths)} paths, and none of them is or holds a run")
    return list(files)


def _names_trials(pattern: Path) -> bool:
    """True for a glob below the folder of trials of tuning, or one with the name of that folder in it."""
    plain = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    return TRIALS in pattern.parts or in_trials(plain)


def _part_of_a_run(path: Path) -> bool:
    """True for a file in the folder of a run, such as the configuration of its model, or in that of an experiment."""
    return any((folder / name).exists() for folder in path.parents for name in (RESULT, INDEX))
