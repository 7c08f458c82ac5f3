"""What a class does, as far as its source tells: code that was edited is not taken for what it was."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path


def code_hash(cls: type) -> str | None:
    """sha256 over the source of xrobust and of the whole packages that `cls` and its bases are from.

    None where that does not tell what the class does: for a class in no package, as in a single file with a plugin,
    which may import anything that lies beside it, and where there is no source to be read. Packages that a plugin
    depends on are taken for what they were, as the versions that are installed.
    """
    total = hashlib.sha256()
    packages = {c.__module__.partition(".")[0] for c in cls.__mro__} - sys.stdlib_module_names
    for name in sorted(packages | {"xrobust"}):
        place = getattr(sys.modules.get(name), "__file__", None)
        if place is None or Path(place).name != "__init__.py" or (found := _sha256(Path(place).parent)) is None:
            return None
        total.update(f"{name}\0{found}\n".encode())
    total.update(f"{cls.__module__}.{cls.__qualname__}".encode())
    return total.hexdigest()


@cache
def _sha256(folder: Path) -> str | None:
    """Of all Python files in a folder and below."""
    total = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*.py")):
            total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    except OSError:
        return None
    return total.hexdigest()
