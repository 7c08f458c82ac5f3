"""Atomic writes to disk: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from xrobust.errors import RunError
from xrobust.storage.regular_file import descriptor, kind


@contextlib.contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turns a failed write (a full disk, a folder without permission) into one line, a RunError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise RunError(f"cannot write {what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Message of the system; torch.save and safetensors hide it behind errors of their own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    if (number := re.search(r"\(os error (\d+)\)", str(error))) is not None:
        return os.strerror(int(number[1]))
    return " ".join(str(error).split())


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any], *, through: bool = False) -> None:
    """Writes a file so that `path` holds either its old content or all of the new one, whatever happens.

    `through` is as for `atomic_file`. Raises RunError, with the reason, when the disk refuses it.
    """
    with atomic_file(path, through=through) as file, writing(path):
        write(file)


def replace_content(path: Path, content: bytes) -> None:
    """Writes a file so that readers see the old content or all of the new one, without waiting for the disk.

    For files that can be made again: after a power cut such a file may be empty. Folders are made. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


@contextlib.contextmanager
def atomic_file(path: Path, *, through: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `path` when the context ends without an error, and is gone if it does not.

    Whatever is at `path` is replaced: a link, not what it points to. With `through`, for a path that the user typed,
    the file that a link points to is replaced, and a pipe, a device or an open descriptor such as `/dev/stdout` is
    written to directly. Raises RunError, with the reason, when the disk refuses it; errors inside the context are left
    as they are.
    """
    number = descriptor(path) if through else None
    if not through or (number is None and kind(path) in (None, "a folder")):
        with _replacing(Path(os.path.realpath(path)) if through and path.is_symlink() else path) as file:
            yield file
        return
    with writing(path):
        file = path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    with writing(path):
        file.close()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place at the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            temporary.unlink(missing_ok=True)
            file = temporary.open("xb")  # which follows no link
        try:
            yield file
        except BaseException:
            with contextlib.suppress(OSError):  # what is in its buffer may not fit either
                file.close()
            raise
        with writing(path):
            file.close()
            flush(temporary)
            temporary.replace(path)
            flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Waits until a file's content, or a folder's entries, are on the disk and outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that cannot wait
            raise
    finally:
        os.close(descriptor)


def follow_umask(path: Path) -> None:
    """Gives a file, or a folder and all in it, the permissions that newly made ones have.

    `tempfile` and safetensors leave them to their owner alone, so that nobody else could read a shared folder.
    Raises OSError.
    """
    # A new folder is asked: `os.umask` tells the mask only by setting another, for all threads.
    new = path.with_name(f".{path.name}.umask.tmp")
    new.mkdir(exist_ok=True)  # one that a kill left
    allowed = new.stat().st_mode & 0o777
    new.rmdir()
    for one in (path, *path.rglob("*")):
        if not one.is_symlink():
            one.chmod(allowed if one.is_dir() else allowed & 0o666)
