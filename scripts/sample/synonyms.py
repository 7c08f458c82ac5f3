"""The table of synonyms: hand-written words, in the form that RS-DA's table of neighbours has."""

from __future__ import annotations

import json
from pathlib import Path


def table() -> dict[str, list[str]]:
    """{word: [synonym, ...]} in alphabetical order."""
    found: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "synonyms.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, synonyms = line.split(": ")
            found[word] = synonyms.split()
    return dict(sorted(found.items()))


def as_json() -> str:
    """The table as it is stored: a word a line."""
    lines = ",\n".join(f"{json.dumps(word)}: {json.dumps(synonyms)}" for word, synonyms in table().items())
    return f"{{\n{lines}\n}}\n"
