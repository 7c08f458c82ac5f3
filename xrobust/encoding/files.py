"""Encoded examples as files: a folder of flat arrays, large ones memory-mapped, and a manifest with their sha256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from xrobust.contracts.encoded import Encoded
from xrobust.storage.cache import as_not_cached
from xrobust.storage.hashing import file_sha256
from xrobust.storage.regular_file import NotRegular, open_regular

MANIFEST = "manifest.json"
IN_MEMORY = 16 << 20
"""Bytes of the largest array that is read into memory: one that is mapped ends the process (SIGBUS) if the file is
truncated meanwhile. Test sets are smaller than that; large training sets are mapped, and shared by processes."""
ARRAYS = ("input_ids", "offsets", "token_types", "special", "labels", "example", "cut")


class Damaged(Exception):
    """The files are not as they were written; the message says why, in a few words."""


class EncodedWriter:
    """Writes the encodings of a stream of examples, block after block, into an existing, empty folder.

    A context manager. Its methods raise `cache.NotCached` if the disk refuses a write.
    """

    def __init__(self, folder: Path, key: str) -> None:
        """`key` is that of the cache entry, which `open_encoded` is to find again."""
        self._folder = folder
        self._key = key
        self._files: dict[str, _Array] = {}
        self._shape: dict[str, Any] = {}
        self._pieces = self._examples = 0

    def __enter__(self) -> EncodedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    @as_not_cached()
    def append(self, block: Encoded, examples: int) -> None:
        """Appends the encoding of the next `examples` examples."""
        if not self._files:
            names = [name for name in ARRAYS if getattr(block, name) is not None]
            self._shape = {"per_token": block.per_token, "group": block.group}
            self._files = {name: _Array(_path(self._folder, name), getattr(block, name).dtype) for name in names}
            self._files["offsets"].append(block.offsets[:1])
        for name, file in self._files.items():
            values = getattr(block, name)
            if name == "offsets":
                values = values[1:] + self._pieces
            elif name == "example":
                values = values + self._examples
            file.append(values)
        self._pieces += len(block.input_ids)
        self._examples += examples

    @as_not_cached()
    def finish(self) -> None:
        """Closes the files and writes the manifest."""
        arrays = {name: file.close() for name, file in self._files.items()}
        content = {"key": self._key, "arrays": arrays, **self._shape}
        (self._folder / MANIFEST).write_text(json.dumps({"content": content, "sha256": _sha256(content)}))


class _Array:
    """One array's file, written from its beginning to its end."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._digest = hashlib.sha256()
        self._dtype = dtype
        self._items = 0

    def append(self, values: np.ndarray) -> None:
        data = np.ascontiguousarray(values, dtype=self._dtype).view(np.uint8).data
        self._digest.update(data)
        self._file.write(data)
        self._items += len(values)

    def close(self) -> dict[str, Any]:
        self._file.close()
        return {"dtype": self._dtype.str, "items": self._items, "sha256": self._digest.hexdigest()}


def open_encoded(folder: Path, key: str) -> Encoded:
    """Opens the arrays of the entry `key` in a folder, read-only. Every byte is read once, to check its sha256.

    Raises Damaged, and OSError where something cannot be read.
    """
    try:
        manifest = json.loads(_content(folder / MANIFEST))
        content = manifest["content"]
        if manifest["sha256"] != _sha256(content):
            raise Damaged(f"{MANIFEST} was changed")
        if content["key"] != key:
            raise Damaged("it is another entry")
        arrays: dict[str, Any] = {"token_types": None, "cut": None}
        arrays |= {name: _opened(_path(folder, name), **stored) for name, stored in content["arrays"].items()}
        return Encoded(**arrays, per_token=content["per_token"], group=content["group"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Damaged("it is not as it was written") from error
    except (FileNotFoundError, NotADirectoryError, NotRegular) as error:
        raise Damaged(f"{Path(error.filename).name}: {error.strerror}") from error


def _opened(path: Path, dtype: str, items: int, sha256: str) -> np.ndarray:
    """The array in a file. Raises Damaged."""
    size = items * np.dtype(dtype).itemsize
    if path.stat().st_size != size:
        raise Damaged(f"{path.name} is {path.stat().st_size:,} bytes long, where {size:,} were written")
    data = _content(path) if size <= IN_MEMORY else None
    if (file_sha256(path) if data is None else hashlib.sha256(data).hexdigest()) != sha256:
        raise Damaged(f"the sha256 of {path.name} is another")
    if data is not None:
        return np.frombuffer(data, dtype=dtype)
    # An ordinary array over the mapping: slices of numpy's own class for it take several times as long.
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(items,)))


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.bin"


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
