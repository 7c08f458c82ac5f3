"""name_swap and place_swap: where their lists come from, what is drawn, and what is wrong with a list."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from xrobust.contracts import GoldenCase, NotCovered
from xrobust.errors import UserError
from xrobust.testing.perturbations import set_up_case
from xrobust_tasks.perturbations.name_swap import NameSwap
from xrobust_tasks.perturbations.place_swap import PlaceSwap
from xrobust_tasks.perturbations.shared.gazetteer import GazetteerSwap
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn

BOTH = pytest.mark.parametrize(("cls", "what"), [(NameSwap, "names"), (PlaceSwap, "places")])
EXAMPLE = {
    "id": "0",
    "tokens": "Ada Lovelace left New York with Bo".split(),
    "tags": "B-PER I-PER O B-LOC I-LOC O B-PER".split(),
}


def files(cls: type[GazetteerSwap], given: Path | None, data_dir: Path | None = None) -> dict[str, Path]:
    return cls(cls.Params(gazetteer=given)).files("xx", data_dir, offline=True)


def ready(cls: type[GazetteerSwap], lines: str | None = None, folder: Path | None = None, **data: Any) -> GazetteerSwap:
    """Prepared with a list, or with the training data given."""
    found = {}
    if lines is not None and folder is not None:
        found["gazetteer"] = folder / "list.txt"
        found["gazetteer"].write_text(lines, encoding="utf-8")
    perturbation = set_up_case(cls, GoldenCase("xx", EXAMPLE, None, **data), found)
    assert isinstance(perturbation, cls)
    return perturbation


def outcomes(perturbation: GazetteerSwap) -> set[tuple[str, str]]:
    """(tokens, tags) of many draws."""
    drawn = [perturbation.apply(EXAMPLE, "xx", Random(seed)) or EXAMPLE for seed in range(60)]
    return {(" ".join(e["tokens"]), " ".join(e["tags"])) for e in drawn}


@BOTH
def test_the_list_given_wins_over_that_of_the_data_folder(cls: type[GazetteerSwap], what: str, tmp_path: Path) -> None:
    (tmp_path / "gazetteers").mkdir()
    in_data = tmp_path / "gazetteers" / f"{what}-xx.txt"
    given = tmp_path / "given-xx.txt"
    assert files(cls, None, tmp_path) == {}
    assert files(cls, None, None) == {}
    for path in (in_data, given):
        path.write_text("Zoe\n")
    assert files(cls, None, tmp_path) == {"gazetteer": in_data}
    assert files(cls, given, tmp_path) == {"gazetteer": given}
    assert files(cls, tmp_path / "given-{language}.txt", tmp_path) == {"gazetteer": given}


@BOTH
def test_a_list_that_cannot_be_used_is_one_line(cls: type[GazetteerSwap], what: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with pytest.raises(UserError, match=r"list\.txt: there is no such file"):
        files(cls, path)
    for content in ("", "\n \n", "12\n--\n"):
        path.write_text(content)
        with pytest.raises(UserError, match=r"gazetteer .*list\.txt: it holds no name; write one a line") as caught:
            files(cls, path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"Zoe\n\xff\n")
    with pytest.raises(UserError, match=r"list\.txt:2: byte 0xff"):
        files(cls, path)


def test_a_name_with_a_space_cannot_be_one_token(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("Anna Lena\nKarl Heinz\n")
    with pytest.raises(UserError, match="none of its 2 names is a single token"):
        files(NameSwap, path)
    assert files(PlaceSwap, path) == {"gazetteer": path}


@BOTH
def test_a_path_for_all_languages_that_has_no_file_for_one(cls: type[GazetteerSwap], what: str, tmp_path: Path) -> None:
    with pytest.raises(NotCovered, match="list-xx"):
        files(cls, tmp_path / "list-{language}.txt")
    (tmp_path / "lists").mkdir()
    with pytest.raises(NotCovered, match="xx/names"):
        files(cls, tmp_path / "lists" / "{language}" / "names.txt")
    with pytest.raises(UserError, match="there is no folder"):
        files(cls, tmp_path / "missing" / "{language}.txt")


def test_given_names_replace_the_first_token_of_persons(tmp_path: Path) -> None:
    found = outcomes(ready(NameSwap, "Ada\nZoe\nAnna Lena\n\n 12\n", tmp_path))
    tags = " ".join(EXAMPLE["tags"])
    assert found == {("Zoe Lovelace left New York with Ada", tags), ("Zoe Lovelace left New York with Zoe", tags)}


def test_places_replace_places_and_tags_fit(tmp_path: Path) -> None:
    found = outcomes(ready(PlaceSwap, "New York\nRio\n\tRio de  Janeiro\n", tmp_path))
    assert found == {
        ("Ada Lovelace left Rio with Bo", "B-PER I-PER O B-LOC O B-PER"),
        ("Ada Lovelace left Rio de Janeiro with Bo", "B-PER I-PER O B-LOC I-LOC I-LOC O B-PER"),
    }


def test_the_only_name_stays_where_it_stands(tmp_path: Path) -> None:
    assert ready(PlaceSwap, "New York\n", tmp_path).apply(EXAMPLE, "xx", Random(0)) is None


TRAIN = [{"id": "0", "tokens": "Zoe Smith met Cher in Rio".split(), "tags": "B-PER I-PER O B-PER O B-LOC".split()}]
OTHERS = [{"id": "0", "tokens": "Eve Doe in Ulan Bator".split(), "tags": "B-PER I-PER O B-LOC I-LOC".split()}]


def test_without_a_list_names_come_from_the_languages_own_training_set_else_the_sources() -> None:
    own = {"source_train": OTHERS, "target_train": TRAIN}
    assert {text for text, _ in outcomes(ready(NameSwap, **own))} == {"Zoe Lovelace left New York with Zoe"}
    assert {text for text, _ in outcomes(ready(PlaceSwap, **own))} == {"Ada Lovelace left Rio with Bo"}
    source = {"source_train": OTHERS}
    assert {text for text, _ in outcomes(ready(NameSwap, **source))} == {"Eve Lovelace left New York with Eve"}
    assert {text for text, _ in outcomes(ready(PlaceSwap, **source))} == {"Ada Lovelace left Ulan Bator with Bo"}


@BOTH
def test_no_name_in_the_training_data(cls: type[GazetteerSwap], what: str) -> None:
    nothing = [{"id": "0", "tokens": ["Cher", "sings"], "tags": ["B-PER", "O"]}]
    with pytest.raises(UserError, match=rf"no (person|place).*--set perturb\.{cls.info.name}\.gazetteer=PATH"):
        ready(cls, source_train=nothing)


@BOTH
def test_only_tasks_with_such_entities(cls: type[GazetteerSwap], what: str) -> None:
    assert cls.task_problem(WikiAnn()) is None
    assert cls.task_problem(Pos()) is not None

    class Products(WikiAnn):
        kind = type(WikiAnn.kind)(("O", "B-PROD", "I-PROD"))

    assert "PROD" in (cls.task_problem(Products()) or "")
