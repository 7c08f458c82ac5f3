"""Reading XTREME-layout TSV: exact rows, exact text, exact error lines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.data import tsv
from xrobust.errors import UserError
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.xnli import Xnli


class Pairs(Task):
    info = TaskInfo(name="pairs", summary="", languages=("en",), license="", citation="")
    kind = SequenceClassification(("no", "yes"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)
    columns = ("text", "text_pair", "label")
    label_aliases = {"nope": "no"}


class Tags(Task):
    info = TaskInfo(name="tags", summary="", languages=("en",), license="", citation="")
    kind = TokenClassification(("O", "X"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)
    columns = ("tokens", "tags")
    label_aliases = {"0": "O"}


class Choices(Task):
    info = TaskInfo(name="choices", summary="", languages=("en",), license="", citation="")
    kind = MultipleChoice(("A", "B"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)
    columns = ("text", "choices", "choices", "label")


FIELD = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n") | st.sampled_from('"\r\x0b\x85\u2028')
)
ROWS = st.lists(st.tuples(FIELD, FIELD, st.sampled_from(["no", "yes"])), min_size=1)
SENTENCES = st.lists(
    st.lists(st.tuples(FIELD, st.sampled_from(["O", "X"])), min_size=1, max_size=5), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tsv") / "test-en.tsv"


def texts(file: Path, task: Task) -> list[Any]:
    """The examples of a user's own text."""
    return [record.row for record in tsv.records(file, task, text_only=True) if record.row is not None]


def write(file: Path, text: str) -> Path:
    file.write_bytes(text.encode())
    return file


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_rows_come_back_as_they_were(
    file: Path, rows: list[tuple[str, str, str]], end: str, mark: str, last: bool
) -> None:
    text = mark + end.join("\t".join(row) for row in rows) + (end if last else "")
    if not mark and text.startswith("\ufeff"):
        return  # a file's first character of this kind is a byte order mark
    expected = [{"text": a, "text_pair": b, "label": c} for a, b, c in rows]
    assert tsv.read(write(file, text), Pairs()) == expected


@given(SENTENCES, st.sampled_from(["\n", "\r\n"]), st.integers(0, 2))
def test_tokens_come_back_as_they_were(file: Path, sentences: list[list[tuple[str, str]]], end: str, more: int) -> None:
    text = (end * (2 + more)).join(end.join("\t".join(line) for line in sentence) for sentence in sentences)
    if text.startswith("\ufeff"):
        return
    expected = [{"tokens": [t for t, _ in s], "tags": [t for _, t in s]} for s in sentences]
    assert tsv.read(write(file, end * more + text + end * more), Tags()) == expected


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["C", "Z"])), min_size=3, max_size=3), min_size=1))
def test_same_fields_as_the_csv_module_unquoted(file: Path, rows: list[list[str]]) -> None:
    write(file, "".join("\t".join([*row[:2], "no"]) + "\n" for row in rows))
    with file.open(encoding="utf-8", newline="") as handle:
        expected = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [list(row.values()) for row in tsv.read(file, Pairs())] == expected


def test_columns_of_one_name_are_gathered(file: Path) -> None:
    write(file, "a text\tone\t\tB\n")
    row = {"text": "a text", "choices": ["one", ""]}
    assert tsv.read(file, Choices()) == [{**row, "label": "B"}]
    assert texts(file, Choices()) == [row]
    assert texts(write(file, "a text\tone\t\n"), Choices()) == [row]
    with pytest.raises(UserError, match="3 columns found, 4 expected: text TAB choices TAB choices TAB label"):
        tsv.read(file, Choices())
    with pytest.raises(UserError, match="label 'C' is none of A, B"):
        tsv.read(write(file, "a text\tone\ttwo\tC\n"), Choices())


def test_quotes_and_empty_texts_survive(file: Path) -> None:
    write(file, '"He said ""hi"" ."\t"\tyes\n\t\tno\n')
    rows = tsv.read(file, Pairs())
    assert rows[0] == {"text": '"He said ""hi"" ."', "text_pair": '"', "label": "yes"}
    assert rows[1] == {"text": "", "text_pair": "", "label": "no"}


def test_an_empty_token_counts(file: Path) -> None:
    assert tsv.read(write(file, "a\tO\n\tX\n\nb\tO\n"), Tags()) == [
        {"tokens": ["a", ""], "tags": ["O", "X"]},
        {"tokens": ["b"], "tags": ["O"]},
    ]


def test_other_spellings_of_labels(file: Path) -> None:
    assert tsv.read(write(file, "a\tb\tnope\n"), Pairs())[0]["label"] == "no"
    assert tsv.read(write(file, "a\t0\n"), Tags())[0]["tags"] == ["O"]


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        (Pairs(), "a\tb\tno\na\tno\n", ":2: 2 columns found, 3 expected: text TAB text_pair TAB label"),
        (Pairs(), "a\tb\tno\na\tb\tc\tno\n", ":2: 4 columns found, 3 expected: text TAB text_pair TAB label"),
        (Pairs(), "a\tb\tno\n\n", ":2: 1 column found (an empty line), 3 expected: text TAB text_pair TAB label"),
        (Pairs(), "a\tb\tno\na\tb\tmaybe\n", ":2: label 'maybe' is none of no, yes"),
        (Pairs(), "A\tB\tLabel\na\tb\tno\n", ":1: label 'Label' is none of no, yes; leave out the header line"),
        (Pairs(), "", ": the file is empty; expected lines of text TAB text_pair TAB label"),
        (Tags(), "a\tO\nb\n", ":2: 1 column found, 2 expected: token TAB tag"),
        (
            Tags(),
            "a\nb\n",
            ":1: 1 column found, 2 expected: token TAB tag; it has no labels, like the test sets that XTREME gives "
            "out, and a score needs them; `xrobust predict` labels such a file",
        ),
        (Tags(), "a\tO\n\nb\tO\tX\n", ":3: 3 columns found, 2 expected: token TAB tag"),
        (Tags(), "a\tO\nb\tB-X\n", ":2: tag 'B-X' is none of O, X"),
        (Tags(), "a\tO\nb\t\n", ":2: tag '' is none of O, X"),
        (Tags(), "token\ttag\na\tO\n", ":1: tag 'tag' is none of O, X; leave out the header line"),
        (Tags(), "a\tO\ntoken\ttag\n", ":2: tag 'tag' is none of O, X"),
        (Tags(), "\n\n", ": the file is empty; expected lines of token TAB tag, an empty line after each sentence"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(file: Path, task: Task, text: str, message: str) -> None:
    write(file, text)
    with pytest.raises(UserError) as error:
        tsv.read(file, task)
    assert str(error.value) == f"{file}{message}"


def test_bytes_that_are_not_utf8(file: Path) -> None:
    file.write_bytes("größe\tb\tno\n".encode() + "größe\tb\tno\n".encode("latin-1"))
    with pytest.raises(UserError) as error:
        tsv.read(file, Pairs())
    assert str(error.value) == f"{file}:2: byte 0xf6 is not valid UTF-8; save the file as UTF-8"
    assert isinstance(error.value.__cause__, UnicodeDecodeError)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.tsv: there is no such file$"):
        tsv.read(tmp_path / "nothing.tsv", Pairs())
    with pytest.raises(UserError, match=r"is a folder, where a file belongs$"):
        tsv.read(tmp_path, Pairs())


def test_a_users_own_text_may_lack_labels(file: Path) -> None:
    write(file, "a\tb\nc\td\n")
    assert texts(file, Pairs()) == [
        {"text": "a", "text_pair": "b"},
        {"text": "c", "text_pair": "d"},
    ]
    write(file, "a\tb\tyes\n")
    assert texts(file, Pairs()) == [{"text": "a", "text_pair": "b"}]
    write(file, "the\ncat\n\nruns\n")
    assert texts(file, Tags()) == [{"tokens": ["the", "cat"]}, {"tokens": ["runs"]}]
    write(file, "the\n\u3000\n\n")  # a wide space is a token; a line of blanks ends a sentence, as an empty one does
    assert texts(file, Tags()) == [{"tokens": ["the", "\u3000"]}]
    write(file, "\nthe\tX\n")
    assert texts(file, Tags()) == [{"tokens": ["the"]}]
    for blank in ("  ", "\t", " \t "):
        write(file, f"the\tX\n{blank}\ncat\tO\n")
        assert texts(file, Tags()) == [{"tokens": ["the"]}, {"tokens": ["cat"]}]
        assert tsv.read(file, Tags()) == [{"tokens": ["the"], "tags": ["X"]}, {"tokens": ["cat"], "tags": ["O"]}]


def test_every_line_of_a_users_own_text_is_in_one_record(file: Path) -> None:
    write(file, "\na\tb\tyes\n  \n\tc\n".replace("\tc\n", "c\td\tno\n"))
    found = list(tsv.records(file, Pairs(), text_only=True))
    assert [(r.number, r.lines, r.row is None) for r in found] == [
        (1, [""], True),
        (2, ["a\tb"], False),
        (3, [""], True),
        (4, ["c\td"], False),
    ]
    write(file, "-DOCSTART-\nthe\ncat\n \n\nruns")
    found = list(tsv.records(file, Tags(), text_only=True))
    assert [(r.number, r.lines, r.row is None) for r in found] == [
        (1, ["-DOCSTART-"], True),
        (2, ["the", "cat"], False),
        (4, [""], True),
        (5, [""], True),
        (6, ["runs"], False),
    ]


def test_columns_separated_by_spaces_are_said_to_be(file: Path) -> None:
    write(file, "-DOCSTART- -X- O O\n\nAda NNP I-NP X\n")
    for text_only in (False, True):
        with pytest.raises(UserError, match=r":1: .*; the columns are separated by spaces, and a TAB is expected$"):
            list(tsv.records(file, Tags(), text_only=text_only))
    write(file, "25 000\nO\n")
    assert texts(file, Tags()) == [{"tokens": ["25 000", "O"]}]


def test_a_line_without_a_label_in_a_training_set_is_no_test_set(tmp_path: Path) -> None:
    file = write(tmp_path / "train-en.tsv", "a\tb\n")
    with pytest.raises(UserError) as error:
        tsv.read(file, Pairs())
    assert str(error.value) == f"{file}:1: 2 columns found, 3 expected: text TAB text_pair TAB label"


def test_labels_in_a_users_own_text_are_not_looked_at(file: Path) -> None:
    assert texts(write(file, "a\tb\t?\nc\td\t\n"), Pairs()) == [
        {"text": "a", "text_pair": "b"},
        {"text": "c", "text_pair": "d"},
    ]
    assert texts(write(file, "the\tNN\ncat\t\n"), Tags()) == [{"tokens": ["the", "cat"]}]


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        (Pairs(), "a\tb\nc\td\tyes\n", ":2: 3 columns found, 2 expected: text TAB text_pair, as in line 1"),
        (Pairs(), "a\n", ":1: 1 column found, 2 or 3 expected: text TAB text_pair TAB label{label}"),
        (Tags(), "a\nb\tX\n", ":2: 2 columns found, 1 expected: token, as in line 1"),
        (Tags(), "\na\tX\tY\n", ":2: 3 columns found, 1 or 2 expected: token TAB tag{tag}"),
    ],
)
def test_what_is_wrong_with_a_users_own_text(file: Path, task: Task, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        texts(write(file, text), task)
    optional = {name: f" (the column {name} is optional)" for name in ("label", "tag")}
    assert str(error.value) == f"{file}{message.format(**optional)}"


def test_columns_are_called_as_in_the_published_data(file: Path) -> None:
    for task, names in ((Xnli(), "premise TAB hypothesis TAB label"), (PawsX(), "sentence1 TAB sentence2 TAB label")):
        with pytest.raises(UserError) as error:
            tsv.read(write(file, "a\tb\n"), task)
        assert str(error.value) == (
            f"{file}:1: 2 columns found, 3 expected: {names}; it has no labels, like the test sets that XTREME gives "
            f"out, and a score needs them: {task.info.hub.repo} on the hub has labelled ones; `xrobust predict` "
            "labels such a file"
        )
