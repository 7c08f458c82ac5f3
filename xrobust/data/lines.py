"""Lines of UTF-8 text files, plain or compressed, read as a stream.

Lines end at a line feed and nowhere else: U+2028, U+0085, a vertical tab and the like are text.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from xrobust.errors import UserError, first_line
from xrobust.storage.regular_file import require_regular

BLANKS = " \t"
"""Characters that an empty line may hold; others, such as a wide space, are text."""
CHUNK = 1 << 20
"""Bytes read at a time."""


def _zstd(path: Path, mode: str) -> Any:
    import pyarrow  # which comes with `datasets`; Python itself reads this format from 3.14 on

    return pyarrow.input_stream(str(path), compression="zstd")


COMPRESSED: dict[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstd,
}
"""End of a compressed file's name -> function that opens it."""
MAGIC = {
    ".gz": re.compile(rb"\x1f\x8b"),
    ".bz2": re.compile(rb"BZh[1-9]1AY&SY"),
    ".xz": re.compile(rb"\xfd7zXZ\x00"),
    ".zst": re.compile(rb"\x28\xb5\x2f\xfd"),
}
"""The same ends -> the first bytes of such files, by which one without such a name is known: that of a pipe."""


def plain_name(path: Path) -> str:
    """The name of a file without the end that tells its compression: `test-de.tsv` of `test-de.tsv.gz`."""
    return path.stem if path.suffix in COMPRESSED else path.name


def refuse_twins(paths: Iterable[Path]) -> None:
    """Raises UserError where a file is there twice, plain and compressed, or compressed in two ways."""
    seen: dict[Path, Path] = {}
    for path in paths:
        other = seen.setdefault(path.with_name(plain_name(path)), path)
        if other != path:
            raise UserError(f"{path}: there is {other.name} too; keep one of them")


def iter_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 file without their ends; the file may be compressed (.gz, .bz2, .xz, .zst).

    One carriage return before a line feed belongs to the end. A byte order mark is dropped. Raises UserError for a file
    that is missing, is a pipe or a device, or cannot be decompressed, and with the line's number for bytes that are not
    UTF-8.
    """
    number, rest, first = 1, b"", True
    for chunk in _chunks(path):
        whole, end, tail = (rest + chunk).rpartition(b"\n")
        if not end:
            rest = tail
            continue
        found = _decoded(whole, path, number).split("\n")
        if first:
            found[0], first = found[0].removeprefix("\ufeff"), False
        for line in found:
            yield line.removesuffix("\r")
        number += len(found)
        rest = tail
    last = _decoded(rest, path, number)
    if last := last.removeprefix("\ufeff") if first else last:
        yield last.removesuffix("\r")


def lines(path: Path) -> list[str]:
    """The lines of a file as a list; see `iter_lines`."""
    return list(iter_lines(path))


def _opener(path: Path) -> Callable[[Path, str], Any] | None:
    """The function that opens a compressed file, by the end of its name or its first bytes; None for a plain one."""
    if path.suffix in COMPRESSED:
        return COMPRESSED[path.suffix]
    with path.open("rb") as file:
        first = file.read(10)
    return next((COMPRESSED[end] for end, magic in MAGIC.items() if magic.match(first)), None)


def _chunks(path: Path) -> Iterator[bytes]:
    opened = None
    require_regular(path)
    try:
        opened = _opener(path)
        file: IO[bytes] = opened(path, "rb") if opened is not None else path.open("rb")
        with file:
            while chunk := file.read(CHUNK):
                yield chunk
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        what = "cannot be read" if opened is None else "cannot be decompressed"
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"{path}: {what} ({reason})") from error


def _decoded(data: bytes, path: Path, number: int) -> str:
    """The text of whole lines, the first of which has the number `number`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + data.count(b"\n", 0, error.start)
        byte = data[error.start]
        raise UserError(f"{path}:{line}: byte 0x{byte:02x} is not valid UTF-8; save the file as UTF-8") from error
