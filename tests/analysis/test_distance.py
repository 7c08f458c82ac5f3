"""The distances are those that urielplus computes, without what it does besides."""

from __future__ import annotations

import logging
import sys
from importlib import resources
from pathlib import Path

import pytest

from xrobust.analysis.distance import DISTANCES, distances
from xrobust.analysis.language_codes import ISO_639_3, iso_639_3
from xrobust.analysis.uriel import table as uriel_table
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins


def test_codes():
    assert len(ISO_639_3) == 184
    assert len(set(ISO_639_3.values())) == 184
    assert all(len(two) == 2 and len(three) == 3 for two, three in ISO_639_3.items())
    assert [iso_639_3(code) for code in ("de", "ar", "zh", "et", "sco", "xx", "zh-tw", "", "DE")] == [
        "deu", "ara", "zho", "est", "sco", None, None, None, None,
    ]  # fmt: skip


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    uriel_table.cache_clear()
    monkeypatch.setitem(sys.modules, "urielplus", None)
    with pytest.raises(UserError, match=r'pip install "xrobust\[analysis\]"$'):
        distances("en", ["de"])


def test_an_unknown_distance():
    with pytest.raises(UserError, match="unknown language distance 'syntax': did you mean 'syntactic'"):
        distances("en", ["de"], ["syntax"])


def files() -> dict[Path, int]:
    """What is in the folder of the package, with sizes."""
    folder = Path(str(resources.files("urielplus")))
    return {path: path.stat().st_size for path in folder.rglob("*") if path.suffix != ".pyc" and path.is_file()}


@pytest.fixture(scope="module")
def uriel() -> None:
    pytest.importorskip("urielplus", reason='language distances are not installed: pip install "xrobust[analysis]"')


@pytest.mark.usefixtures("uriel")
def test_distances_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch):
    """Its class that answers queries, on the same tables: the class on top of it would copy them in its own folder."""
    import numpy as np
    from urielplus.urielplus_querying import URIELPlusQuerying

    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
    languages, tables = ("en", "de", "kk"), []
    for file in ("family_features.npz", "features.npz", "geocoord_features.npz", "script_features.npz"):
        with resources.as_file(resources.files("urielplus") / "database" / "original_uriel" / file) as path:
            table = dict(np.load(path))
        rows = [table["langs"].tolist().index(ISO_639_3[language]) for language in languages]
        tables.append(table | {"langs": table["langs"][rows], "data": table["data"][rows]})
    package = URIELPlusQuerying(*([table[key] for table in tables] for key in ("feats", "langs", "data", "sources")))
    mine = distances("en", languages[1:])
    for name in DISTANCES:
        for language, value in mine.values[name].items():
            theirs = package.new_distance(name, ["eng", ISO_639_3[language]])
            assert value == pytest.approx(float(theirs), abs=1e-4), (name, language)


@pytest.mark.usefixtures("uriel")
def test_reading_leaves_no_trace(capfd: pytest.CaptureFixture[str]):
    uriel_table.cache_clear()
    before, handlers = files(), list(logging.root.handlers)
    found = distances("en", ["de"])
    assert found.problems == []
    assert set(found.values) == set(DISTANCES)
    assert files() == before
    assert logging.root.handlers == handlers
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("uriel")
def test_what_a_distance_means():
    found = distances("en", ["en", "de", "nl", "ja"], ["genetic", "syntactic", "geographic"]).values
    for values in found.values():
        assert values["en"] == pytest.approx(0, abs=1e-6)
        assert 0 < values["nl"] < values["ja"] <= 1
    assert found["genetic"]["ja"] == 1
    back = distances("ja", ["en"], ["syntactic"]).values["syntactic"]["en"]
    assert back == pytest.approx(found["syntactic"]["ja"])


@pytest.mark.usefixtures("uriel")
def test_what_cannot_be_had_is_named():
    found = distances("en", ["de", "kk", "qq", "sk"], ["phonological", "genetic"])
    assert set(found.values["phonological"]) == {"de"}
    assert set(found.values["genetic"]) == {"de", "kk", "sk"}
    assert found.problems == [
        "URIEL knows no language qq: without distances",
        "no phonological distance from en where URIEL knows fewer than 10 features of both: kk 2, sk 0",
    ]
    # Of Basque, an isolate, and of Standard Estonian URIEL names no family: one such language shares nothing with any
    # other, of two it is not known.
    isolate = distances("eu", ["de", "ekk"], ["genetic"])
    assert isolate.values == {"genetic": {"de": 1.0}}
    assert isolate.problems == ["no genetic distance from eu where both have none of its features: ekk"]
    nowhere = distances("qq", ["de"], ["genetic"])
    assert nowhere.values == {"genetic": {}}
    assert nowhere.problems == ["URIEL knows no language qq, the source: without distances from it"]


@pytest.mark.usefixtures("uriel")
def test_every_language_of_the_tasks_is_there():
    plugins = Plugins()
    tasks = [plugins.load("tasks", name) for name in ("pawsx", "xnli", "wikiann", "pos")]
    languages = sorted({language for task in tasks for language in task.info.languages})
    found = distances("en", languages, ["syntactic", "genetic", "geographic", "script"])
    assert found.problems == []
    assert all(set(values) == set(languages) for values in found.values.values())
