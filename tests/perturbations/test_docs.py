"""The examples in docs/perturbations.md are golden cases."""

from __future__ import annotations

import re
from pathlib import Path

from xrobust.registry.plugins import Plugins

PAGE = Path(__file__).resolve().parents[2] / "docs" / "perturbations.md"


def test_every_example_of_the_page_is_a_golden_case() -> None:
    sections = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    count = 0
    for section in sections:
        name, _, text = section.partition("\n")
        rows = re.findall(r"^\| ([a-z]{2}) \| (.*) \| (.*) \|$", text, flags=re.MULTILINE)
        cases = Plugins().load("perturbations", name.strip()).golden() if rows else []
        found = {(c.language, c.example.get("text"), c.expected.get("text")) for c in cases if c.expected is not None}
        for row in rows:
            assert row in found, row
            count += 1
    assert count >= 40
