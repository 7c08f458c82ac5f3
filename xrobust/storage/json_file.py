"""JSON documents read as plain values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from xrobust.errors import shown
from xrobust.storage.regular_file import require_regular

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Escape of half of a surrogate pair. Two make a character; one alone makes text that cannot be written down again."""


def read_json(file: Path) -> Any:
    """The value of a JSON document. Raises OSError, UserError for a pipe or device, ValueError for what is no JSON."""
    require_regular(file)
    data = file.read_bytes()
    try:
        value = json.loads(data, object_pairs_hook=_each_key_once)
    except RecursionError as error:
        raise ValueError("too many values inside one another") from error
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):  # Python's advice is for programmers
            raise ValueError("a whole number of too many digits") from None
        raise
    if HALF.search(data):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values. Raises ValueError for a key that is there twice: programs differ in which
    of its values they take."""
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} is there twice")
    return values
