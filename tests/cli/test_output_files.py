"""`--output`: what is no regular file is written to, a link is followed, and what is read is never written over."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.errors import RunError
from xrobust.storage.atomic import atomic_file, write_atomically

Good = Callable[..., str]
Refused = Callable[..., str]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the\ncat\n", encoding="utf-8")
    return path


def reader(pipe: Path) -> tuple[threading.Thread, list[str]]:
    """A thread that reads a pipe to its end, as `cat` does, and what it read."""
    read: list[str] = []
    thread = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    thread.start()
    return thread, read


def test_predict_writes_to_a_pipe(finished_run: Path, text: Path, tmp_path: Path, good: Good) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread, read = reader(pipe)
    good("predict", finished_run, text, "-o", pipe)
    thread.join()
    assert read == [good("predict", finished_run, text)]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread, read = reader(pipe)
    write_atomically(pipe, lambda file: file.write(b"all of it"), through=True)
    thread.join()
    assert read == ["all of it"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("devices may not be made here")
    write_atomically(device, lambda file: file.write(b"gone"), through=True)
    assert stat.S_ISCHR(device.stat().st_mode) and device.stat().st_rdev == os.makedev(1, 3)


def test_a_full_device_is_one_line() -> None:
    with pytest.raises(RunError, match=r"^cannot write /dev/full: No space left on device$"):
        write_atomically(Path("/dev/full"), lambda file: file.write(b"x"), through=True)


def test_an_open_descriptor_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"before ")
        file.flush()
        write_atomically(Path(f"/dev/fd/{file.fileno()}"), lambda handle: handle.write(b"and after"), through=True)
    assert (tmp_path / "file").read_bytes() == b"before and after"


def test_the_target_of_a_link_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    before = target.stat().st_ino
    with pytest.raises(ZeroDivisionError), atomic_file(link, through=True) as file:
        file.write(b"half of it")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    write_atomically(link, lambda handle: handle.write(b"new"), through=True)
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_ino != before, "replaced, not overwritten"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["target"]


def test_a_link_to_nothing_is_followed(finished_run: Path, text: Path, tmp_path: Path, good: Good) -> None:
    link = tmp_path / "link"
    link.symlink_to("later.txt")
    good("predict", finished_run, text, "-o", link)
    assert link.is_symlink() and (tmp_path / "later.txt").read_text().count("\n") == 2


@pytest.mark.parametrize("name", ["text.txt", "../{folder}/text.txt", "link", "hard"])
def test_predict_does_not_write_over_its_input(
    finished_run: Path, text: Path, tmp_path: Path, refused: Refused, name: str
) -> None:
    (tmp_path / "link").symlink_to(text)
    (tmp_path / "hard").hardlink_to(text)
    said = refused("predict", finished_run, text, "-o", tmp_path / name.format(folder=tmp_path.name))
    assert "is the file that is read" in said
    assert text.read_text() == "the\ncat\n"


def test_a_name_that_is_too_long_is_one_line(finished_run: Path, text: Path, refused: Refused) -> None:
    said = refused("predict", finished_run, text, "-o", "a" * 300)
    assert said.endswith("...: no name of a file: it is too long\n")
    assert "a" * 100 not in said


def test_an_endless_device_is_not_read(finished_run: Path, refused: Refused) -> None:
    assert "/dev/zero is a device" in refused("predict", finished_run, "/dev/zero")


@pytest.mark.parametrize(
    "part", ["result.json", "model/model.safetensors", "predictions/de.parquet", "checkpoints/new/file", "link"]
)
def test_no_part_of_a_run_is_written_over(
    finished_run: Path, text: Path, tmp_path: Path, refused: Refused, good: Good, part: str
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "link").symlink_to("model/model.safetensors")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert "is a part of the run" in refused("predict", run, text, "-o", run / part)
    assert "is a part of the run" in refused("compare", run, finished_run, "-o", run / part)
    assert "is a part of the run" in refused("leaderboard", "build", run, "-o", run / part)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    good("predict", run, text, "-o", run / "labelled.txt")


def test_without_being_asked_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / f".link.{os.getpid()}.tmp").symlink_to("target")
    write_atomically(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "target").read_bytes() == b"old" and not (tmp_path / "link").is_symlink()
