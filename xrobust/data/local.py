"""A local folder of data: the XTREME layout `<task>/<split>-<language>.tsv`, or CoNLL-U treebanks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xrobust.contracts.example import Example
from xrobust.contracts.task import Split, Task
from xrobust.data import conllu, tsv
from xrobust.data.about import read_about
from xrobust.data.ids import row_id
from xrobust.data.lines import COMPRESSED, lines, plain_name, refuse_twins
from xrobust.data.rows import Rows
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.registry import bundles


class LocalSource:
    """Reads `data_dir` (a `contracts.task.Source`).

    A task whose labels are the universal part-of-speech tags, and that has no TSV file, is read from the treebanks in
    `<data_dir>/<task>`, else in `<data_dir>/ud`, else in `data_dir` itself: folders of `.conllu` files, or the files.
    """

    def __init__(self, data_dir: Path) -> None:
        if not data_dir.is_dir():
            what = "is a file, not a folder" if data_dir.exists() else "there is no such folder"
            near = nearest(str(data_dir), bundles.assets("data"))
            hint = f"; of the bundled data, {did_you_mean(str(data_dir), near)}" if near else ""
            raise UserError(f"data dir {data_dir}: {what}{hint}")
        self.data_dir = data_dir
        self._about = read_about(data_dir)
        self.sample = self._about.sample

    def load(self, task: Task, split: Split, language: str) -> Sequence[Example]:
        """All rows of a split in file order, checked line by line. Raises UserError."""
        files = self._tables(task)
        treebanks = [] if files else self._treebanks(task)
        if not files and not treebanks:
            raise self._nothing(task)
        known = self.languages(task, split)
        if language not in known:
            raise self._missing(task, split, language, known)
        if treebanks:
            return conllu.read(treebanks, task, language, split)
        path = files[split, language]
        return with_ids(tsv.read(path, task), task, language, _ids_of(path))

    def files(self, task: Task, split: Split, language: str) -> list[Path] | None:
        """The table and its ids, or the treebanks of the language; None where there is neither."""
        path = self._tables(task).get((split, language))
        if path is not None:
            return [path, _ids_of(path)]
        if self._tables(task):
            return None
        found = [file.path for file in self._treebanks(task) if (file.language, file.split) == (language, split)]
        return sorted(found) or None

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """The languages that `split` exists in, sorted."""
        tables = self._tables(task)
        if tables:
            return tuple(sorted(language for found, language in tables if found == split))
        return tuple(sorted({file.language for file in self._treebanks(task) if file.split == split}))

    def describe(self, task: Task) -> dict[str, str | None]:
        """`id` and `revision` from the folder's `about.yaml`; the fingerprint of the rows identifies their content."""
        return {"id": self._about.id, "revision": self._about.revision}

    def _tables(self, task: Task) -> dict[tuple[str, str], Path]:
        """(split, language) -> its TSV file, which may be compressed."""
        found: dict[tuple[str, str], Path] = {}
        for path in sorted((self.data_dir / task.info.name).glob("*.tsv*")):
            split, dash, rest = plain_name(path).partition("-")
            language, _, end = rest.partition(".")
            if dash and split in ("train", "dev", "test") and end == "tsv":
                refuse_twins(filter(None, (found.get((split, language)), path)))
                found[split, language] = path
        return found

    def _treebanks(self, task: Task) -> list[conllu.TreebankFile]:
        if not conllu.reads(task):
            return []
        for folder in (self.data_dir / task.info.name, self.data_dir / "ud", self.data_dir):
            if found := conllu.find(folder, task):
                return found
        return []

    def _nothing(self, task: Task) -> UserError:
        """No data of this task at all."""
        folder = self.data_dir / task.info.name
        if folder.is_dir():
            return UserError(
                f"{folder}: no file named <split>-<language>.tsv in it, for instance test-de.tsv (or test-de.tsv.gz)"
            )
        folders = sorted(path.name for path in self.data_dir.iterdir() if path.is_dir())
        there = f"it has {', '.join(folders)}" if folders else "it has no folder at all"
        return UserError(f"data dir {self.data_dir}: no folder {task.info.name!r}; {there}")

    def _missing(self, task: Task, split: Split, language: str, known: tuple[str, ...]) -> UserError:
        """Data of this task, but not of this split and language."""
        if not known:
            splits = [name for name in ("train", "dev", "test") if self.languages(task, name)]
            return UserError(
                f"data dir {self.data_dir}: {task.info.name} has no {split} set; it has {', '.join(splits)}"
            )
        return UserError(
            f"data dir {self.data_dir}: no {split} set of {task.info.name} in language {language!r}; "
            f"there are {', '.join(known)}"
        )


def _ids_of(table: Path) -> Path:
    """The file with the ids of a table's rows, plain or compressed. Raises UserError where it is there twice."""
    plain = table.with_name(plain_name(table)).with_suffix(".ids")
    there = [path for path in (plain, *(plain.with_name(plain.name + end) for end in COMPRESSED)) if path.is_file()]
    refuse_twins(there)
    return there[0] if there else plain


def with_ids(rows: Rows, task: Task, language: str, sidecar: Path) -> Rows:
    """The rows with ids: those of the sidecar file, else the row number of parallel data, else `<language>:<row>`.

    The sidecar has one id a line, one for each row. Raises UserError where it does not.
    """
    if sidecar.is_file():
        ids = lines(sidecar)
        if len(ids) != len(rows):
            table = Path(plain_name(sidecar)).with_suffix(".tsv")
            raise UserError(f"{sidecar}: {len(ids)} ids for {len(rows)} rows of {table}")
        first: dict[str, int] = {}
        for number, identifier in enumerate(ids, start=1):
            if not identifier:
                raise UserError(f"{sidecar}:{number}: empty; an id is expected")
            if first.setdefault(identifier, number) != number:
                raise UserError(f"{sidecar}:{number}: id {identifier!r} is that of line {first[identifier]} too")
    else:
        ids = [row_id(task, language, row) for row in range(len(rows))]
    return Rows(({"id": identifier, **row} for identifier, row in zip(ids, rows, strict=True)), rows.account)
