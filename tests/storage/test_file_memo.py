"""What is remembered of files: as long as nobody touches them, and not a moment longer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xrobust import RunSpec
from xrobust.data.local import LocalSource
from xrobust.data.splits import LazySplit, open_split
from xrobust.errors import RunError, UserError
from xrobust.models.files import model_identity
from xrobust.plan import make_plan
from xrobust.storage import cache, file_memo
from xrobust.storage.file_memo import cached_by_files
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos


@pytest.fixture(autouse=True)
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a clock by which every file is old enough to be remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(file_memo, "time", SimpleNamespace(time=lambda: time.time() + 60))


class Counting:
    """Reads a file, and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0

    def __call__(self) -> str | None:
        self.calls += 1
        return self.path.read_text() if self.path.exists() else None

    def cached_by_files(self, **what: Any) -> Any:
        return cached_by_files(what, [self.path], self)


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    path = tmp_path / "file"
    path.write_text("one")
    return Counting(path)


def test_a_file_that_nobody_touched_is_read_once(counting: Counting) -> None:
    assert [counting.cached_by_files() for _ in range(3)] == ["one"] * 3
    assert counting.calls == 1
    counting.cached_by_files(limit=3)
    assert counting.calls == 2, "what is asked is another question"


def rewritten(path: Path) -> None:
    """Of the same length, and with the old time of modification."""
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    """By a file of the same length and times."""
    other = path.with_name("other")
    other.write_text("two")
    shutil.copystat(path, other)
    other.rename(path)


@pytest.mark.parametrize("change", [rewritten, replaced, Path.unlink, lambda path: path.write_text("longer")])
def test_every_change_is_noticed(counting: Counting, change: Callable[[Path], Any]) -> None:
    counting.cached_by_files()
    change(counting.path)
    assert counting.cached_by_files() == counting()
    counting.path.unlink(missing_ok=True)
    counting.path.write_text("one")
    assert counting.cached_by_files() == "one"
    assert counting.calls == 4


def test_what_is_found_in_a_file_that_is_just_written_is_not_kept(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_memo, "time", time)
    counting.cached_by_files()
    assert counting.cached_by_files() == "one" and counting.calls == 2


def test_a_file_that_changes_while_it_is_read_is_not_kept(counting: Counting) -> None:
    def reading() -> str:
        found = counting.path.read_text()
        rewritten(counting.path)
        return found

    assert cached_by_files({}, [counting.path], reading) == "one"
    assert counting.cached_by_files() == "two"


def test_a_damaged_memory_is_none(counting: Counting) -> None:
    counting.cached_by_files()
    (kept,) = (cache.cache_folder() / file_memo.SECTION).iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])
    assert counting.cached_by_files() == "one" and counting.calls == 2


def test_a_mistake_is_not_kept(counting: Counting) -> None:
    def failing() -> str:
        raise UserError("line 3")

    for _ in range(2):
        with pytest.raises(UserError, match="line 3"):
            cached_by_files({}, [counting.path], failing)


@pytest.fixture
def data(tmp_path: Path, tiny_data: Path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data"))


def test_the_second_plan_reads_no_data_and_is_the_same(
    data: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RunSpec(task="pawsx", model=str(tiny_model), data_dir=data, output=tmp_path)
    first = make_plan(spec)
    with monkeypatch.context() as patch:
        patch.setattr(LocalSource, "load", lambda *a: pytest.fail("data were read that had not changed"))
        second = make_plan(spec)
    assert second.run_id == first.run_id and second.used == first.used
    assert list(second.train) == list(first.train) and second.dev[3] == first.dev[3]
    assert second.train[1:3] == first.train[1:3]

    ids = data / "pawsx" / "train-en.ids"
    ids.write_text(ids.read_text().replace("1\n", "one\n", 1))
    assert make_plan(spec).run_id != first.run_id
    test = data / "pawsx" / "test-de.tsv"
    test.write_text(test.read_text() + "one column\n")
    with pytest.raises(UserError, match=r"test-de\.tsv:25: 1 column found"):
        make_plan(spec)


def test_data_that_change_after_they_were_planned_with(data: Path) -> None:
    source, task = LocalSource(data), PawsX()
    open_split(task, source, "dev", "en", None)
    examples, rows = open_split(task, source, "dev", "en", None)
    assert isinstance(examples, LazySplit) and len(examples) == rows.rows
    file = data / "pawsx" / "dev-en.tsv"
    file.write_text("a\tb\t0\n" * rows.rows)
    with pytest.raises(RunError, match="the dev data of pawsx in en were changed just now: try again"):
        examples[0]


def test_a_task_that_loads_by_itself_is_always_asked(data: Path) -> None:
    class Own(Pos):
        def load(self, split: Any, language: str, source: Any) -> Any:
            return super().load(split, language, source)[:3]

    source, task = LocalSource(data), Own()
    for _ in range(2):
        examples, rows = open_split(task, source, "dev", "en", None)
        assert rows.rows == len(examples) == 3
    assert not isinstance(examples, LazySplit)


def test_weights_are_summed_again_when_they_change(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    before = model_identity(str(folder), None, True)
    assert (
        model_identity(str(folder), None, True)
        == before
        == model_identity(str(tiny_model), None, True) | {"id": "model"}
    )
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model_identity(str(folder), None, True)["sha256"] != before["sha256"]
