"""Code-switching: where the dictionary comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust.contracts import NotCovered
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins
from xrobust_tasks.perturbations.code_switch import CodeSwitch
from xrobust_tasks.perturbations.shared.dictionaries import read_dictionary


def perturbation(**params: object) -> CodeSwitch:
    return CodeSwitch(CodeSwitch.Params.model_validate(params))


def test_the_dictionary_is_found_in_the_data_folder(tmp_path: Path) -> None:
    path = tmp_path / "dictionaries" / "en-de.tsv"
    path.parent.mkdir()
    path.write_text("house\thaus\n")
    assert perturbation().files("de", tmp_path, offline=True) == {"dictionary": path}
    assert perturbation().files("de-AT", tmp_path, offline=True) == {"dictionary": path}
    assert perturbation(into="de").files("en", tmp_path, offline=True) == {"dictionary": path}
    with pytest.raises(NotCovered, match=r"dictionaries/en-fr\.tsv"):
        perturbation().files("fr", tmp_path, offline=True)
    with pytest.raises(NotCovered, match=r"dictionaries/en-de\.tsv"):
        perturbation().files("de", None, offline=True)
    with pytest.raises(NotCovered, match=r"perturb\.code_switch\.into"):
        perturbation().files("en", tmp_path, offline=True)


def test_a_file_given(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("house\thaus\n")
    by_language = perturbation(dictionary=tmp_path / "{language}.txt")
    assert by_language.files("de", None, offline=True) == {"dictionary": tmp_path / "de.txt"}
    with pytest.raises(NotCovered, match=r"fr\.txt"):
        by_language.files("fr", None, offline=True)
    with pytest.raises(UserError, match=r"none\.tsv is not there"):
        perturbation(dictionary=tmp_path / "none.tsv").files("de", None, offline=True)


def test_its_place_is_no_part_of_the_parameters() -> None:
    assert "dictionary" not in perturbation(dictionary="x.tsv").params.model_dump()


def test_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "en-de.tsv"
    path.write_text("house\tHaus\nhome\tHaus\nhouse\tGebäude\nradio\tRadio\n")
    assert read_dictionary(path, "de", backwards=True) == {"haus": ("house", "home"), "gebäude": ("house",)}
    assert read_dictionary(path, "de", backwards=False) == {"house": ("Haus", "Gebäude"), "home": ("Haus",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"house haus\n", "line 1: expected an English word, a tab and its translation"),
        (b"house\thaus\n\tx\n", "line 2: expected"),
        (b"radio\tradio\n", "no word with a translation that differs"),
        (b"", "no word with a translation that differs"),
        (b"house\tM\xfcller\n", "is not valid UTF-8"),
    ],
)
def test_what_is_no_dictionary(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "en-de.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_dictionary(path, "de", backwards=True)
    assert "\n" not in str(error.value)


def test_tags_that_are_not_of_entities_are_refused() -> None:
    plugins = Plugins()
    assert "another part of speech" in (CodeSwitch.task_problem(plugins.load("tasks", "pos")) or "")
    for name in ("wikiann", "xnli", "pawsx"):
        assert CodeSwitch.task_problem(plugins.load("tasks", name)) is None


def test_word_order_refuses_a_task_that_word_order_decides() -> None:
    plugins = Plugins()
    word_order = plugins.load("perturbations", "word_order")
    assert word_order.task_problem(plugins.load("tasks", "pawsx")) == "its labels depend on the order of words"
    assert word_order.task_problem(plugins.load("tasks", "xnli")) == "its labels depend on the order of words"
    assert word_order.task_problem(plugins.load("tasks", "wikititle")) is None
