"""Section-title prediction from Wikipedia-like pages: the files of task `wikititle`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, get_args

from xrobust.contracts import keyed_random
from xrobust.contracts.task import Split
from xrobust.data.lines import iter_lines
from xrobust.errors import UserError
from xrobust.storage.atomic import write_atomically

LABELS = ("A", "B", "C", "D")
MIN_PAGE_BYTES = 1000
MIN_SECTION_CHARACTERS = 200
"""Characters that a section must exceed (published)."""
SECTIONS_A_PAGE = 4
TEST_SHARE = 0.2
DEV_SHARE = 0.1
"""Share of the pages not for testing that are for dev."""
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Page:
    """A page with its section titles and texts, each white space in them a single space."""

    title: str
    sections: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Bytes of its text in UTF-8, without markup: that of all titles and sections."""
        return sum(len(part.encode()) for part in (self.title, *(p for section in self.sections for p in section)))

    @property
    def titles(self) -> list[str]:
        """The different section titles, in order."""
        return list(dict.fromkeys(title for title, _ in self.sections if title))


@dataclass
class Counts:
    """Numbers of pages and examples, read and written."""

    pages: int = 0
    usable_pages: int = 0
    """Pages that gave an example."""
    duplicates: int = 0
    """Sections left out since another has the same text."""
    examples: Counter[Split] = field(default_factory=Counter)


def convert(dump: Path, language: str, output: Path, seed: int = 0) -> Counts:
    """Writes `train-`, `dev-` and `test-<language>.tsv` to the folder `output`, from a dump of pages in JSON lines.

    A line is `{"title": ..., "sections": [{"title": ..., "text": ...}, ...]}`. The rules are those of Manafi &
    Krishnaswamy (LREC-COLING 2024): of a page of at least 1,000 bytes with four different section titles or more, the
    first four sections of more than 200 characters, each with its title and three others of the page drawn at random,
    shuffled; a text that another section has too is left out.

    Theirs is a random split of the sections, 80 to 20 for train and test. Here a page, by its title, is in one split
    as a whole, so that nothing of a test page is trained on, and a tenth of train is dev, for choosing a checkpoint.
    The split of a page and the draws of its examples depend on the seed and that page alone; which of two sections of
    equal text stays, on the order of the dump. Files of an earlier conversion are replaced.

    Raises UserError, with the number of the line where there is one, and RunError where the disk does not take it.
    """
    counts = Counts()

    def write(files: Files) -> None:
        for split, row in _rows(dump, seed, counts):
            files[split].write(("\t".join(row) + "\n").encode())
            counts.examples[split] += 1
        if not counts.usable_pages:
            raise UserError(
                f"{dump}: none of its {counts.pages} pages is usable: one needs {MIN_PAGE_BYTES} bytes, "
                f"{len(LABELS)} different section titles and a section of more than {MIN_SECTION_CHARACTERS} characters"
            )
        if empty := [split for split in SPLITS if not counts.examples[split]]:
            raise UserError(
                f"{dump}: its {counts.usable_pages} usable pages leave nothing for {' and '.join(empty)}; "
                "give more pages, or another --seed"
            )

    if not re.fullmatch(r"[A-Za-z0-9_-]+", language):
        raise UserError(f"--language {language!r} is no language code, such as af")
    if not dump.exists():
        raise UserError(f"{dump}: there is no such file")
    _make_folder(output)
    _write_together([(split, output / f"{split}-{language}.tsv") for split in SPLITS], {}, write)
    return counts


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made ({error.strerror}): name another with --output") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} may not be written to: name another with --output")


Files = Mapping[Split, IO[bytes]]


def _write_together(paths: list[tuple[Split, Path]], opened: Files, write: Callable[[Files], None]) -> None:
    """Calls `write` with all files open; none of them appears before all are written."""
    if not paths:
        write(opened)
        return
    (split, path), *others = paths
    write_atomically(path, lambda file: _write_together(others, {**opened, split: file}, write))


def _rows(dump: Path, seed: int, counts: Counts) -> Iterator[tuple[Split, list[str]]]:
    """The split and the fields of each example, in the order of the dump."""
    seen: set[bytes] = set()
    for page in pages(dump):
        counts.pages += 1
        if page.size < MIN_PAGE_BYTES or len(page.titles) < len(LABELS):
            continue
        split = split_of(page.title, seed)
        used = 0
        for number, (title, text) in enumerate(page.sections):
            if used == SECTIONS_A_PAGE:
                break
            if not title or len(text) <= MIN_SECTION_CHARACTERS:
                continue
            digest = hashlib.sha256(text.encode()).digest()
            if digest in seen:
                counts.duplicates += 1
                continue
            seen.add(digest)
            used += 1
            rng = keyed_random("wikititle", seed, page.title, number)
            choices = [title, *rng.sample([other for other in page.titles if other != title], len(LABELS) - 1)]
            rng.shuffle(choices)
            yield split, [text, *choices, LABELS[choices.index(title)]]
        counts.usable_pages += used > 0


def split_of(title: str, seed: int) -> Split:
    """The split of a page: 80 to 20 for train and test, and of train a tenth is dev."""
    rng = keyed_random("wikititle split", seed, title)
    if rng.random() < TEST_SHARE:
        return "test"
    return "dev" if rng.random() < DEV_SHARE else "train"


def pages(dump: Path) -> Iterator[Page]:
    """Reads the pages of a dump, one a line, which may be compressed; empty lines do not count.

    Raises UserError with the line's number.
    """
    for number, line in enumerate(iter_lines(dump), start=1):
        if line.strip():
            yield _page(line, f"{dump}:{number}")


def _page(line: str, where: str) -> Page:
    try:
        record = json.loads(line.strip())
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error.msg}, column {error.colno}); a page a line is expected") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: JSON that is not a page ({error})") from error
    sections = _get(record, "sections", list, where)
    return Page(
        _text(record, "title", where),
        tuple(
            (_text(s, "title", f"{where}: section {n}"), _text(s, "text", f"{where}: section {n}"))
            for n, s in enumerate(sections, start=1)
        ),
    )


def _text(record: Any, key: str, where: str) -> str:
    """The string under `key`, with single spaces for all white space in it."""
    text = " ".join(_get(record, key, str, where).split())
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}: {key!r} holds half a surrogate pair (\\ud800 to \\udfff), which is no text"
        ) from error
    return text


_NAMES: dict[type, str] = {str: "string", list: "list"}


def _get(record: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(record, dict):
        raise UserError(f"{where}: a JSON object is expected, found {json.dumps(record)[:40]}")
    if key not in record:
        raise UserError(f"{where}: no {key!r}; it has {', '.join(map(repr, record)) or 'nothing'}")
    if not isinstance(record[key], kind):
        raise UserError(f"{where}: {key!r} is {json.dumps(record[key])[:40]}; a {_NAMES[kind]} is expected")
    return record[key]
