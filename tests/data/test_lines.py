"""Lines of text files: whatever the blocks they are read in, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.data import lines as module
from xrobust.data.lines import lines, plain_name
from xrobust.data.local import LocalSource
from xrobust.errors import UserError
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pyarrow.compress(data, codec="zstd", asbytes=True)),
}
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n") | st.sampled_from("\r\u2028\x85é"))


@given(st.lists(LINE, max_size=6), st.integers(1, 9), st.booleans(), st.booleans())
def test_lines_come_back_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, found: list[str], block: int, last: bool, mark: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "lines.txt"
    text = "\n".join(found) + ("\n" if last and found else "")
    file.write_bytes(("\ufeff" if mark else "").encode() + text.encode())
    expected = text if mark else text.removeprefix("\ufeff")
    whole = expected.split("\n")
    if whole[-1] == "":
        whole.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", block)
        assert lines(file) == [line.removesuffix("\r") for line in whole]


@pytest.mark.parametrize("end", PACK)
def test_compressed_files_are_read(tmp_path: Path, end: str) -> None:
    (tmp_path / "pawsx").mkdir()
    (tmp_path / "pawsx" / f"test-de.tsv.{end}").write_bytes(PACK[end]("ä\tb\t0\nc\td\t1\n".encode()))
    (tmp_path / "pawsx" / f"test-de.ids.{end}").write_bytes(PACK[end](b"7\n9\n"))
    source = LocalSource(tmp_path)
    assert source.languages(PawsX(), "test") == ("de",)
    rows = source.load(PawsX(), "test", "de")
    assert [(row["id"], row["text"]) for row in rows] == [("7", "ä"), ("9", "c")]
    files = source.files(PawsX(), "test", "de")
    assert files is not None and [file.name for file in files] == [f"test-de.tsv.{end}", f"test-de.ids.{end}"]
    (tmp_path / "ud").mkdir()
    (tmp_path / "ud" / f"de_gsd-ud-test.conllu.{end}").write_bytes(
        PACK[end](b"# sent_id = s1\n1\ta\t_\tNOUN\t_\t_\t_\t_\t_\t_\n")
    )
    assert source.load(Pos(), "test", "de") == [{"id": "de_gsd:s1", "tokens": ["a"], "tags": ["NOUN"]}]


@pytest.mark.parametrize("end", PACK)
def test_a_damaged_compressed_file_is_named(tmp_path: Path, end: str) -> None:
    file = tmp_path / f"test-de.tsv.{end}"
    packed = PACK[end](b"a line of text that is long enough\n" * 200)
    for data in (b"no such format", packed[: len(packed) // 2]):
        file.write_bytes(data)
        with pytest.raises(UserError) as error:
            lines(file)
        assert str(error.value).startswith(f"{file}: cannot be decompressed (") and "\n" not in str(error.value)
        assert "(None)" not in str(error.value)
    with pytest.raises(UserError, match="there is no such file"):
        lines(tmp_path / f"nothing.tsv.{end}")


def test_bytes_that_are_not_utf8_are_named_with_their_line_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress(b"a\nb\n" * 5 + b"c\nd\xe9d\n"))
    for block in (1, 4, 1000):
        monkeypatch.setattr(module, "CHUNK", block)
        with pytest.raises(UserError, match=r"a\.txt\.gz:12: byte 0xe9 is not valid UTF-8"):
            lines(file)


@pytest.mark.parametrize("end", PACK)
def test_a_compressed_file_without_such_a_name_is_known_by_its_first_bytes(tmp_path: Path, end: str) -> None:
    file = tmp_path / "pipe"
    file.write_bytes(PACK[end](b"a\nb\n"))
    assert lines(file) == ["a", "b"]
    file.write_bytes(b"BZh is a word\n")
    assert lines(file) == ["BZh is a word"]


def test_a_table_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pawsx").mkdir()
    for end, pack in {"": bytes, ".gz": gzip.compress}.items():
        (tmp_path / "pawsx" / f"test-de.tsv{end}").write_bytes(pack(b"a\tb\t0\n"))
    with pytest.raises(UserError, match=r"test-de\.tsv\.gz: there is test-de\.tsv too; keep one of them"):
        LocalSource(tmp_path).languages(PawsX(), "test")
    (tmp_path / "pawsx" / "test-de.tsv.gz").unlink()
    for end, pack in {"": bytes, ".gz": gzip.compress}.items():
        (tmp_path / "pawsx" / f"test-de.ids{end}").write_bytes(pack(b"7\n"))
    with pytest.raises(UserError, match=r"test-de\.ids\.gz: there is test-de\.ids too; keep one of them"):
        LocalSource(tmp_path).load(PawsX(), "test", "de")


def test_names_without_the_end_of_a_compression() -> None:
    assert [plain_name(Path(name)) for name in ("a/b.tsv", "b.tsv.gz", "b.conllu.zst")] == [
        "b.tsv",
        "b.tsv",
        "b.conllu",
    ]
