"""The sentence structures, read from the files beside this one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..lexicon import LANGUAGES

HEAD = re.compile(r"== (?P<split>train|dev|test) (?P<name>\w+) \| (?P<slots>.+)")
LINE = re.compile(r"(?P<language>[a-z]{2})(?P<part>[1hecngx+-]?): (?P<text>.+)")


@dataclass
class Template:
    """A structure: its slots as (name, kind), and by language and part (`1 + -`, `h e n c g x`, or "") its text."""

    split: str
    name: str
    slots: tuple[tuple[str, str], ...]
    texts: dict[str, dict[str, str]] = field(default_factory=dict)


@cache
def templates(file: str, split: str) -> tuple[Template, ...]:
    """The structures of a split (`tagging`, `pawsx` or `xnli`), checked for languages and parts."""
    found: list[Template] = []
    for line in (Path(__file__).parent / f"{file}.txt").read_text(encoding="utf-8").splitlines():
        if head := HEAD.fullmatch(line):
            slots = tuple((name, kind) for name, kind in (slot.split(":") for slot in head["slots"].split()))
            found.append(Template(head["split"], head["name"], slots))
        elif text := LINE.fullmatch(line):
            found[-1].texts.setdefault(text["language"], {})[text["part"]] = text["text"]
        elif line and not line.startswith("#"):
            raise ValueError(f"{file}: {line}")
    parts = {"tagging": {""}, "pawsx": {"1", "+", "-"}, "xnli": {"h", "e", "n", "c"}}[file]
    optional = {"g", "x"} if file == "xnli" else set()
    for template in found:
        languages = {"en"} if template.split == "train" else set(LANGUAGES)
        if set(template.texts) != languages or any(set(texts) - optional != parts for texts in template.texts.values()):
            raise ValueError(f"{file}: {template.name} lacks a language or a part")
    return tuple(template for template in found if template.split == split)
