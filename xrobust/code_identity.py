"""What a class does, as far as its source tells: code that was edited is not taken for what it was."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path


def code_sha256(cls: type) -> str | None:
    """sha256 over the source of the packages that `cls` and its bases are from, without those of contracts and Python.

    Of a module that is in no package, as a single file with a plugin, it is that file. None where there is no source to
    be read: nobody can tell then whether the class still does what it did.
    """
    total = hashlib.sha256()
    modules = {c.__module__ for c in cls.__mro__}
    for name in sorted(modules):
        if name.partition(".")[0] in sys.stdlib_module_names or name.startswith("xrobust.contracts"):
            continue
        place = getattr(sys.modules.get(name), "__file__", None)
        found = None if place is None else _sha256(Path(place), alone="." not in name)
        if found is None:
            return None
        total.update(f"{name}.{cls.__qualname__}\0{found}\n".encode())
    return total.hexdigest()


@cache
def _sha256(file: Path, *, alone: bool) -> str | None:
    """Of one file, or of all Python files in its folder and below."""
    total = hashlib.sha256()
    try:
        for path in [file] if alone and file.name != "__init__.py" else sorted(file.parent.rglob("*.py")):
            total.update(f"{path.relative_to(file.parent)}\0".encode() + path.read_bytes())
    except OSError:
        return None
    return total.hexdigest()
