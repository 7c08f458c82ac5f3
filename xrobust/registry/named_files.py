"""Plugin files that the user has named with `--plugin` on this machine, each with the sha256 that it had then.

A document says where the plugin files of its run lay, but anyone can write a document. So a file is executed on a
document's word only if it is in this list, with the content that it has now.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from operator import methodcaller
from pathlib import Path

from xrobust.errors import RunError
from xrobust.storage.atomic import write_atomically


def remember(files: Mapping[Path, str]) -> None:
    """Notes absolute paths with the sha256 of their content. Where the notes cannot be written nothing happens."""
    folder = _folder()
    with contextlib.suppress(OSError, RunError):
        for path, sha256 in files.items():
            if not was_named(path, sha256):
                folder.parent.parent.mkdir(parents=True, exist_ok=True)
                for made in (folder.parent, folder):
                    made.mkdir(mode=0o700, exist_ok=True)
                note = _note(path, sha256)
                write_atomically(folder / _name(note), methodcaller("write", note))


def was_named(path: Path, sha256: str) -> bool:
    """True if this user has named the file at that absolute path when it had that content."""
    folder, note = _folder(), _note(path, sha256)
    try:
        if not all(_is_mine(place) for place in (folder.parent, folder, folder / _name(note))):
            return False
        return (folder / _name(note)).read_bytes() == note
    except OSError:
        return False


def _folder() -> Path:
    """`$XDG_STATE_HOME/xrobust/plugin-files`, by default below `~/.local/state`: a note a file."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "xrobust" / "plugin-files"


def _note(path: Path, sha256: str) -> bytes:
    """A line as `sha256sum` writes it."""
    return sha256.encode() + b"  " + os.fsencode(path) + b"\n"


def _name(note: bytes) -> str:
    return hashlib.sha256(note).hexdigest()


def _is_mine(place: Path) -> bool:
    """True if a folder or plain file is this user's, and nobody else may write to it. Raises OSError."""
    status = place.lstat()
    plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
    return plain and status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
