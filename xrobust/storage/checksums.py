"""SHA256SUMS files, as `sha256sum` writes and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SUMS = "SHA256SUMS"


def read_sums(file: Path) -> dict[str, str]:
    """Name of a file -> sha256 in hex, of each line. Raises OSError, and UnicodeDecodeError for what is no text."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def format_sums(sums: Mapping[str, str]) -> str:
    """The content of a SHA256SUMS file."""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())
