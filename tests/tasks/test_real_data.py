"""The four tasks on the real data sets, against counts that are taken without the readers under test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xrobust.contracts import Split, Task
from xrobust.data.checks import checked
from xrobust.data.local import LocalSource
from xrobust.data.splits import load_split
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.xnli import Xnli

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@pytest.mark.parametrize("task", [PawsX(), Xnli()], ids=lambda task: task.info.name)
def test_as_many_rows_as_the_files_have_lines(real_data: Path, task: Task) -> None:
    source = LocalSource(real_data)
    for split in SPLITS:
        for language in source.languages(task, split):
            rows = checked(task, task.load(split, language, source))
            data = (real_data / task.info.name / f"{split}-{language}.tsv").read_bytes()
            assert len(rows) == data.count(b"\n")
            assert sum(e["text"].count('"') + e["text_pair"].count('"') for e in rows) == data.count(b'"')


@pytest.mark.parametrize(("task", "languages"), [(WikiAnn(), "de en ja yo zh"), (Pos(), "de fr kk th zh")])
def test_as_many_tokens_as_the_files_have_lines_that_are_not_empty(real_data: Path, task: Task, languages: str) -> None:
    source = LocalSource(real_data)
    for language in languages.split():
        rows = checked(task, task.load("test", language, source))
        data = (real_data / task.info.name / f"test-{language}.tsv").read_bytes()
        blocks = re.split(rb"\n{2,}", data.strip(b"\n"))
        assert len(rows) == len(blocks)
        assert [len(e["tokens"]) for e in rows] == [block.count(b"\n") + 1 for block in blocks]


def test_xnli_is_row_parallel(real_data: Path) -> None:
    source = LocalSource(real_data)
    sizes = {"dev": 2490, "test": 5010}
    for split in ("dev", "test"):
        english = Xnli().load(split, "en", source)
        assert len(english) == sizes[split]
        for language in source.languages(Xnli(), split):
            rows = Xnli().load(split, language, source)
            assert [(e["id"], e["label"]) for e in rows] == [(e["id"], e["label"]) for e in english]


def test_pawsx_ids_align_the_languages(real_data: Path) -> None:
    source = LocalSource(real_data)
    by_language = {
        language: {e["id"]: e for e in load_split(PawsX(), source, "test", language, None)[0]}
        for language in source.languages(PawsX(), "test")
    }
    common = set.intersection(*(set(rows) for rows in by_language.values()))
    assert len(by_language) == 7
    assert len(common) > 1800
    # Labels agree but for a few translations; of pairs put together at random half would.
    same = [len({rows[i]["label"] for rows in by_language.values()}) == 1 for i in common]
    assert sum(same) / len(same) > 0.9


def test_the_parallel_treebanks_have_the_same_ids(real_data: Path) -> None:
    ids = {}
    for language, folder in {"en": "English", "de": "German", "fr": "French", "ar": "Arabic", "zh": "Chinese"}.items():
        source = LocalSource(real_data / "ud" / f"UD_{folder}-PUD")
        ids[language] = [e["id"] for e in checked(Pos(), Pos().load("test", language, source))]
        assert len(ids[language]) == 1000
    assert all(found == ids["en"] for found in ids.values())


def test_treebanks_hold_the_words_that_their_lines_name(real_data: Path) -> None:
    source = LocalSource(real_data / "ud")
    assert source.languages(Pos(), "test") == ("ar", "de", "en", "fo", "fr", "mt", "zh")
    assert source.languages(Pos(), "train") == ("en", "mt")
    for language, split, name in (("en", "train", "en_ewt"), ("mt", "dev", "mt_mudt"), ("fo", "test", "fo_oft")):
        rows = checked(Pos(), Pos().load(split, language, source))
        (path,) = real_data.glob(f"ud/*/{name}-ud-{split}.conllu")
        words = re.findall(rb"(?m)^\d+\t([^\t]*)\t[^\t]*\t([^\t]*)\t", path.read_bytes())
        assert [(t, g) for e in rows for t, g in zip(e["tokens"], e["tags"], strict=True)] == [
            (form.decode(), tag.decode()) for form, tag in words
        ]
        if name == "en_ewt":
            assert len(rows) == 12_544
