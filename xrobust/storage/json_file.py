"""JSON documents read as plain values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from xrobust.storage.regular_file import require_regular

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Escape of half of a surrogate pair. Two make a character; one alone makes text that cannot be written down again."""


def read_json(file: Path) -> Any:
    """The value of a JSON document. Raises OSError, UserError for a pipe or device, ValueError for what is no JSON."""
    require_regular(file)
    data = file.read_bytes()
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("too many values inside one another") from error
    if HALF.search(data):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value
