"""Tag schemes: found out from a whole split, converted to IOB2, and named where they are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOBES, Entities

from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.data import tsv
from xrobust.data.sources import open_source
from xrobust.data.splits import load_split
from xrobust.data.tag_scheme import InIob2, find_scheme, in_iob2, is_iob2
from xrobust.errors import UserError
from xrobust.metrics.entities import entity_spans
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn

Entity = tuple[str, int]
"""Type of an entity (O: none) and its number of tokens."""
ENTITY = st.tuples(st.sampled_from(["O", "PER", "LOC"]), st.integers(1, 3))
SPLIT = st.lists(st.lists(ENTITY, min_size=1, max_size=5), min_size=1, max_size=6)


def written(sentence: list[Entity], scheme: str) -> list[str]:
    """The tags of a sentence in a scheme, by its definition."""
    begin, inside, end, single = {"IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}.get(scheme, "BIIB")
    tags: list[str] = []
    for kind, length in sentence:
        if kind == "O":
            tags += ["O"] * length
            continue
        touches = bool(tags) and tags[-1][2:] == kind
        prefixes = single if length == 1 else begin + inside * (length - 2) + end
        if scheme == "IOB1":
            prefixes = ("B" if touches else "I") + "I" * (length - 1)
        tags += [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


def to_iob2(split: list[list[str]]) -> InIob2:
    scheme = find_scheme(split)
    assert scheme is not None
    return in_iob2(split, scheme)


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES", "BILOU", "BMES", "BMEWO"])
@given(split=SPLIT)
def test_every_scheme_becomes_iob2(scheme: str, split: list[list[Entity]]) -> None:
    expected = [written(sentence, "IOB2") for sentence in split]
    given_tags = [written(sentence, scheme) for sentence in split]
    made = to_iob2(given_tags)
    assert made.tags == expected and made.broken == 0
    assert made.changed == sum(
        a != b for old, new in zip(given_tags, expected, strict=True) for a, b in zip(old, new, strict=True)
    )


@pytest.mark.parametrize(("scheme", "theirs"), [("IOB1", IOB1), ("IOBES", IOBES), ("BILOU", BILOU)])
@given(split=SPLIT)
def test_the_entities_are_those_that_seqeval_reads_in_that_scheme(
    scheme: str, theirs: Any, split: list[list[Entity]]
) -> None:
    tags = [written(sentence, scheme) for sentence in split]
    made = to_iob2(tags)
    ours = [[(s.start, s.stop, s.type) for s in entity_spans(one)] for one in made.tags]
    assert ours == [[(e.start, e.end, e.tag) for e in sentence] for sentence in Entities(tags, theirs).entities]


def test_the_greater_part_decides() -> None:
    stray = [["B-LOC", "O"]] * 3 + [["O", "I-PER", "I-PER"]] * 2
    assert find_scheme(stray) == "IOB2" and to_iob2(stray) == InIob2(stray, "IOB2", 0, 0)
    mostly = [["I-LOC", "O"]] * 3 + [["O", "B-PER", "I-PER"]] * 2
    made = to_iob2(mostly)
    assert (made.scheme, made.changed) == ("IOB1", 3)
    assert [get_entities(tags) for tags in made.tags] == [get_entities(tags) for tags in mostly]


def test_entities_without_the_end_or_the_beginning_that_the_scheme_marks_are_counted() -> None:
    made = to_iob2([["B-PER", "O", "E-LOC"], ["I-ORG", "O", "S-PER"], ["B-PER", "I-PER", "E-PER"]])
    assert made.tags == [["B-PER", "O", "B-LOC"], ["B-ORG", "O", "B-PER"], ["B-PER", "I-PER", "I-PER"]]
    assert (made.scheme, made.broken) == ("IOBES", 3)


def test_labels_that_are_tags_of_entities() -> None:
    assert is_iob2(WikiAnn.kind.labels)
    assert not is_iob2(Pos.kind.labels) and not is_iob2(("O", "X")) and not is_iob2(("O",)) and not is_iob2(("B-X",))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(folder: Path, text: str, limit: int | None = None) -> tuple[list[list[str]], Any]:
    write(folder / "wikiann/test-de.tsv", text)
    examples, rows = load_split(WikiAnn(), open_source(folder, offline=True), "test", "de", limit)
    return [list(example["tags"]) for example in examples], rows


def test_a_split_in_another_scheme_is_converted_and_counted(tmp_path: Path) -> None:
    tags, rows = rows_of(tmp_path, "Ada\tI-PER\nLovelace\tI-PER\nin\tO\n\nRom\tI-LOC\nBonn\tB-LOC\n")
    assert tags == [["B-PER", "I-PER", "O"], ["B-LOC", "B-LOC"]]
    assert (rows.tag_scheme, rows.converted_tags, rows.entities, rows.stray_tags) == ("IOB1", 2, 3, 0)
    assert list(rows.notes()) == ["tags converted from IOB1 to IOB2: 2"]
    tags, rows = rows_of(tmp_path, "Ada\tB-PER\nLovelace\tE-PER\n\nRom\tS-LOC\n")
    assert tags == [["B-PER", "I-PER"], ["B-LOC"]]
    assert (rows.tag_scheme, rows.converted_tags) == ("IOBES", 2)


def test_the_scheme_is_found_out_before_the_limit_cuts(tmp_path: Path) -> None:
    text = "Ada\tI-PER\n\n" + "Rom\tB-LOC\n\n" * 3
    tags, rows = rows_of(tmp_path, text, limit=1)
    assert tags == [["I-PER"]]
    assert (rows.tag_scheme, rows.converted_tags, rows.entities, rows.stray_tags) == ("IOB2", 0, 1, 1)
    assert rows.labels == {"I-PER": 1}
    assert list(rows.notes()) == ["1 of 1 entities begin with I-, which strict F1 does not count"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ada\tI-PER\nRom\tI-MISC\n", "2: tag 'I-MISC' is none of O, B-PER"),
        (
            "Ada\tB-PER\n\nRom\tS-LOC\nBonn\tU-LOC\n",
            "3: tag 'S-LOC' is of another scheme than others: the prefixes B, S, U are of no one of IOB1, IOB2, IOBES, "
            "BILOU, BMES, BMEWO",
        ),
        ("Ada\tS-PER\nRom\tX-LOC\nBonn\tE-GPE\n", "2: tag 'X-LOC' is none of O, B-PER"),
        ("Ada\tS-PER\nRom\tE-GPE\n", "2: tag 'E-GPE' is none of O, B-PER"),
        ("Ada\tPER\n", "1: tag 'PER' is none of O, B-PER"),
    ],
)
def test_tags_that_fit_no_scheme_are_named_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path / "test-de.tsv", text)
    with pytest.raises(UserError) as error:
        tsv.read(file, WikiAnn())
    assert str(error.value).startswith(f"{file}:{said}")


class Own(Task):
    """A task whose rows come from its own code."""

    info = TaskInfo(name="own", summary="", languages=("en",), license="", citation="")
    kind = WikiAnn.kind
    metrics = ("span_f1",)
    columns = ("tokens", "tags")
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)

    def __init__(self, tags: list[list[str]]) -> None:
        self.rows = [{"id": str(i), "tokens": ["a"] * len(t), "tags": t} for i, t in enumerate(tags)]

    def load(self, split: Any, language: str, source: Any) -> Any:
        return self.rows


def test_rows_of_a_plugins_own_source_are_converted_too(tmp_path: Path) -> None:
    source = open_source(tmp_path, offline=True)
    examples, rows = load_split(Own([["S-PER", "O"], ["B-LOC", "E-LOC"]]), source, "test", "en", None)
    assert [example["tags"] for example in examples] == [["B-PER", "O"], ["B-LOC", "I-LOC"]]
    assert (rows.tag_scheme, rows.converted_tags, rows.entities) == ("IOBES", 2, 2)
    with pytest.raises(UserError, match=r"own test en, row 1, token 0: tag 'S-X' is none of O, "):
        load_split(Own([["S-PER"], ["S-X"]]), source, "test", "en", None)
