"""Hash of the source code of a class: edited code gets another hash, and so another cache key."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path


def code_hash(cls: type) -> str | None:
    """sha256 over the source of xrobust and of the whole packages that `cls` and its bases are from.

    None if that does not determine what the class does: for a class in no package, as in a single file with a plugin,
    which may import anything that lies beside it, and if there is no source to read. Other packages that a plugin
    depends on are not hashed.
    """
    total = hashlib.sha256()
    packages = {c.__module__.partition(".")[0] for c in cls.__mro__} - sys.stdlib_module_names
    for name in sorted(packages | {"xrobust"}):
        place = getattr(sys.modules.get(name), "__file__", None)
        if place is None or Path(place).name != "__init__.py" or (digest := _sha256(Path(place).parent)) is None:
            return None
        total.update(f"{name}\0{digest}\n".encode())
    total.update(f"{cls.__module__}.{cls.__qualname__}".encode())
    return total.hexdigest()


@cache
def _sha256(folder: Path) -> str | None:
    """sha256 over all Python files in a folder and below; None if one cannot be read."""
    total = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*.py")):
            total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    except OSError:
        return None
    return total.hexdigest()
