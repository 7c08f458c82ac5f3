"""What every source's rows must satisfy, and the fingerprint of rows."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.contracts import Task
from xrobust.data.checks import checked, fingerprint
from xrobust.errors import UserError
from xrobust_tasks.pos import Pos
from xrobust_tasks.xnli import Xnli

GOOD = {"id": "0", "text": "a", "text_pair": "b", "label": "neutral"}


def test_good_rows_are_given_back() -> None:
    rows = [GOOD, {**GOOD, "id": "1"}]
    assert checked(Xnli(), rows) is rows


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        (Xnli(), [], "here: no example"),
        (Xnli(), [GOOD, GOOD], "here, row 1: id '0' is that of row 0 too"),
        (Xnli(), [{**GOOD, "id": 3}], "here, row 0: the id is 3; a string that is not empty is expected"),
        (Xnli(), [{**GOOD, "id": ""}], "here, row 0: the id is ''; a string that is not empty is expected"),
        (Xnli(), [{"id": "0", "text": "a"}], "here, row 0 (id 0): no 'label'"),
        (
            Xnli(),
            [GOOD, {**GOOD, "id": "1", "label": "-1"}],
            "here, row 1 (id 1): label '-1' is none of entailment, neutral, contradiction",
        ),
        (Pos(), [{"id": "0", "tokens": ["a"], "tags": ["X", "X"]}], "here, row 0 (id 0): 2 tags for 1 tokens"),
    ],
)
def test_a_bad_row_is_named(task: Task, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UserError) as error:
        checked(task, rows, "here")
    assert str(error.value) == message


def test_the_task_is_named_where_nothing_else_is() -> None:
    with pytest.raises(UserError, match=r"^xnli: no example$"):
        checked(Xnli(), [])


def test_the_fingerprint_is_of_canonical_lines() -> None:
    rows = [{"label": "x", "id": "é"}, {"id": "1", "tokens": ["a", ""]}]
    lines = '{"id":"é","label":"x"}\n{"id":"1","tokens":["a",""]}\n'
    assert fingerprint(iter(rows)) == hashlib.sha256(lines.encode()).hexdigest()


@given(st.lists(st.dictionaries(st.sampled_from(["id", "text", "label"]), st.text(), min_size=1), min_size=2))
def test_the_fingerprint_knows_order_and_content_but_not_the_order_of_columns(rows: list[dict[str, str]]) -> None:
    mark = fingerprint(rows)
    assert fingerprint([dict(reversed(row.items())) for row in rows]) == mark
    assert (fingerprint(rows[::-1]) == mark) == (rows[::-1] == rows)
    assert fingerprint(rows[:-1]) != mark
    assert fingerprint([{**rows[0], "id": rows[0].get("id", "") + "x"}, *rows[1:]]) != mark
