"""Lines that are cached: given back as they were written, or made anew, whatever happened to the file."""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xrobust.storage import cache

LINES: list[Any] = [{"files": [["/a", [1, 2]]], "value": "Käse"}, [3, {"id": "x", "tokens": ["a", "b"]}], None]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an entry that was written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.write_lines("shelf", "key", iter(LINES))
    return tmp_path / "xrobust" / "shelf" / "key.jsonl.gz"


def read() -> list[Any] | None:
    return cache.read_lines("shelf", "key", list)


def test_no_flipped_bit_gives_other_lines_or_an_error(file: Path) -> None:
    whole = file.read_bytes()
    given_back = 0
    for place in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        found = read()
        assert found in (None, LINES), place
        given_back += found is not None
    assert given_back < 80, "only in gzip's header are there bits that mean nothing"


def test_no_cut_gives_other_lines_or_an_error(file: Path) -> None:
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        assert read() is None, size


def packed(*lines: object) -> bytes:
    return gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())


END = {"lines": 1, "of": "shelf/key"}
DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:20]),
    "empty": lambda file: file.write_bytes(b""),
    "nothing in it": lambda file: file.write_bytes(packed()),
    "plain text": lambda file: file.write_text("plain"),
    "not UTF-8": lambda file: file.write_bytes(gzip.compress(b"\xff\xfe\n")),
    "no JSON": lambda file: file.write_bytes(gzip.compress(b"{\n")),
    "nested": lambda file: file.write_bytes(gzip.compress(b"[" * 200_000 + b"\n")),
    "the end missing": lambda file: file.write_bytes(packed(*LINES)),
    "another entry": lambda file: file.write_bytes(packed(1, {"lines": 1, "of": "shelf/other"})),
    "a line missing": lambda file: file.write_bytes(packed({"lines": 1, "of": "shelf/key"})),
    "a folder": lambda file: (file.unlink(), file.mkdir(), (file / "x").touch()),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_said_once_and_made_good(how: str, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    DAMAGE[how](file)
    caplog.set_level(logging.WARNING, "xrobust")
    assert read() is None and read() is None
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{file} is damaged and is made anew (") and "\n" not in record.getMessage()
    assert not file.exists()
    cache.write_lines("shelf", "key", iter(LINES))
    assert read() == LINES


def of_wrong_shape(lines: list[Any]) -> Any:
    return lines[0]["files"].items(), int(lines[0]["value"])


@pytest.mark.parametrize("line", [3, [], {}, "text", {"files": []}, {"files": {}, "value": "x"}, None])
def test_values_of_another_shape_are_damage(line: Any, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(packed(line, END))
    assert cache.read_lines("shelf", "key", of_wrong_shape) is None
    assert len(caplog.records) == 1 and not file.exists()


def test_what_an_older_version_wrote_is_none_without_a_word(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(packed(*LINES, {"lines": len(LINES)}))
    assert read() is None
    assert caplog.records == [] and file.exists()


def test_an_error_of_another_kind_is_no_damage(file: Path) -> None:
    def failing(lines: list[Any]) -> Any:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        cache.read_lines("shelf", "key", failing)
    assert read() == LINES


def in_two_ways(folder: Path) -> Iterator[Path]:
    """A file and a folder of the cache."""
    cache.write_lines("shelf", "key", iter(LINES))
    yield folder / "shelf" / "key.jsonl.gz"
    with cache.new_entry("boxes", "key") as new:
        (new / "array").write_bytes(b"1")
        cache.commit(new, "boxes", "key")
    yield folder / "boxes" / "key"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_new_files(mask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = os.umask(mask)
    try:
        file, folder = in_two_ways(tmp_path / "xrobust")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o666 & ~mask
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
