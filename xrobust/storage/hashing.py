"""Hashes of values and files."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from xrobust.storage.regular_file import open_regular


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def file_sha256(path: Path) -> str:
    """sha256 of a file's content, in hex. Raises OSError, also for a pipe or a device, which may have no end."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_sha256(value: Any) -> str:
    """A value that must be a sha256 in hex. Raises ValueError."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError("it is no sha256")
    return value
