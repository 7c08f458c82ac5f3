"""Random generators that depend on a key alone."""

from __future__ import annotations

import hashlib
import json
import random


def keyed_random(*key: object) -> random.Random:
    """Random generator that depends on `key` alone: the same draws in any order of examples, on any process."""
    digest = hashlib.sha256(json.dumps(key, default=str, ensure_ascii=False).encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))
