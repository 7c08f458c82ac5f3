"""Tables as text: what is in a cell is shown, and is no markup, formula or command of a terminal."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.cli.output import Format, remarks_text, tables_text
from xrobust.report.tables import Table, csv_text, latex, markdown, printable

HOSTILE = ["a|b", "<script>alert(1)</script>", "*x* _y_ `z` [l](u)", "=1", "$x$ & \\input{y} #1 %", "\x1b[31mred\n2"]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text(text: str) -> None:
    line = markdown(Table(text, ["", "b"], [[text, "1"]])).splitlines()[-1]
    assert line.count(" | ") == 1 and "\x1b" not in line
    assert "<script>" not in line.replace("\\<", "")
    assert "<" not in line.replace("\\<", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_escapes(text: str) -> None:
    said = latex(Table(text, ["", text], [[text, "1"]]))
    assert "\\input{y}" not in said
    assert "$x$" not in said.replace("\\$", "")
    assert said.count("\\\\") == 2, "a head and a row"


def test_latex_has_rules_and_a_caption() -> None:
    said = latex(Table("50% of x_1", ["", "b"], [["row", "1"]]))
    assert "\\toprule" in said and "50\\% of x\\_1" in said and "\\begin{tabular}{lr}" in said


@given(st.lists(st.lists(st.one_of(st.text(), st.integers(), st.none()), min_size=2, max_size=2), max_size=4))
def test_csv_reads_back(rows: list[list[Any]]) -> None:
    _, *read = list(csv.reader(io.StringIO(csv_text(["a", "b"], rows), newline="")))
    for row, said in zip(rows, read, strict=True):
        for cell, text in zip(row, said, strict=True):
            plain = "" if cell is None else printable(cell) if isinstance(cell, str) else str(cell)
            assert text in (plain, f"'{plain}")
            assert not (isinstance(cell, str) and text.startswith(("=", "@", "+", "-")))


def test_terminals_get_no_commands_and_words_keep_their_joiners() -> None:
    assert printable("\x1b[31mred\x07\u202e\x9b\udcff") == r"\x1b[31mred\x07\u202e\x9b\xff"
    assert printable("می\u200cخواهم") == "می\u200cخواهم"
    assert "\x1b" not in tables_text([Table("\x1b", ["\x1b"], [["\x1b[2J"]])], Format.table)
    assert remarks_text(["*a*\x1b"], Format.markdown) == "- \\*a\\*\\\\x1b\n"
