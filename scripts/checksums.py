"""Writes `bundle/SHA256SUMS`, which guards the bundled model, data and presets.

python -m scripts.checksums bundle
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

SHELVES = ("models", "data", "presets")


def checksums(bundle: Path) -> str:
    """The lines of SHA256SUMS, as `sha256sum` writes and checks them (`sha256sum -c`), sorted by path."""
    files = sorted(path for shelf in SHELVES for path in (bundle / shelf).rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bundle).as_posix()}\n" for path in files
    )


if __name__ == "__main__":
    (Path(sys.argv[1]) / "SHA256SUMS").write_text(checksums(Path(sys.argv[1])), encoding="utf-8")
