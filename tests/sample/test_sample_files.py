"""The committed sample: made by the generator byte for byte, balanced, parallel, small, and read by xrobust."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.sample.build import files, rows
from scripts.sample.checks.sample_files import DATA, TASKS, languages_of, pairs, tagged
from xrobust.contracts.task import Split
from xrobust.data.local import LocalSource
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.xnli import Xnli

SPLITS: tuple[Split, ...] = ("train", "dev", "test")
COUNTS = {
    "pawsx": {"train": 2016, "dev": 220, "test": 240},
    "xnli": {"train": 2016, "dev": 216, "test": 252},
    "wikiann": {"train": 2000, "dev": 216, "test": 252},
    "pos": {"train": 2000, "dev": 216, "test": 252},
}


def test_the_generator_makes_the_very_bytes_that_are_committed() -> None:
    made = {name: content.encode() for name, content in files()}
    committed = {str(path.relative_to(DATA)): path.read_bytes() for path in DATA.rglob("*") if path.is_file()}
    assert committed.pop("README.md").startswith(b"# ")
    assert b"CC0-1.0" in committed.pop("about.yaml")
    assert sorted(made) == sorted(committed)
    assert [name for name in made if made[name] != committed[name]] == []


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 3_000_000


def test_every_split_has_its_rows_in_every_language_and_no_row_twice() -> None:
    for task in TASKS:
        for split in SPLITS:
            for language in languages_of(split):
                read = pairs if task in ("pawsx", "xnli") else tagged
                made = [repr(row) for row in read(task, split, language)]
                assert len(made) == COUNTS[task][split], (task, split, language)
                assert len(set(made)) == len(made), (task, split, language)


def test_no_test_sentence_is_a_training_sentence() -> None:
    for task in TASKS:
        read = pairs if task in ("pawsx", "xnli") else tagged
        train = {repr(row[:2] if task in ("pawsx", "xnli") else row) for row in read(task, "train", "en")}
        for split in ("dev", "test"):
            held_out = {repr(row[:2] if task in ("pawsx", "xnli") else row) for row in read(task, split, "en")}
            assert not train & held_out


@pytest.mark.parametrize(("task", "labels"), [("pawsx", "0 1"), ("xnli", "contradiction entailment neutral")])
def test_labels_are_balanced_in_every_split_and_the_same_in_every_language(task: str, labels: str) -> None:
    for split in SPLITS:
        english = [label for _, _, label in pairs(task, split, "en")]
        counts = Counter(english)
        assert sorted(counts) == labels.split()
        assert max(counts.values()) - min(counts.values()) <= len(english) * 0.01
        for language in languages_of(split):
            assert [label for _, _, label in pairs(task, split, language)] == english


def test_labels_are_balanced_within_every_template() -> None:
    for task in ("pawsx", "xnli"):
        for split in SPLITS:
            by_template: dict[str, Counter[str]] = {}
            for row in rows(task, split):
                by_template.setdefault(row.template.name, Counter())[row.label] += 1
            for counts in by_template.values():
                assert max(counts.values()) - min(counts.values()) <= 1


def test_the_texts_of_a_pair_differ_and_texts_are_clean() -> None:
    for task in ("pawsx", "xnli"):
        for split in SPLITS:
            for language in languages_of(split):
                for first, second, _ in pairs(task, split, language):
                    assert first != second
                    for text in (first, second):
                        assert text == " ".join(text.split())
                        assert text[0].isupper() or text[0].isdigit() or language in ("zh", "ja") or text[0] in "¿¡"
                        assert text[-1] in ".。"


def test_entities_are_whole_and_parallel() -> None:
    """IOB2 is well-formed, and a row names as many persons, organisations and places in every language."""
    for split in SPLITS:
        english: list[Counter[str]] = []
        for language in ("en", *(set(languages_of(split)) - {"en"})):
            counts = []
            for sentence in tagged("wikiann", split, language):
                before = "O"
                for token, tag in sentence:
                    assert not tag.startswith("I-") or before[2:] == tag[2:], (language, token)
                    before = tag
                counts.append(Counter(tag[2:] for _, tag in sentence if tag.startswith("B-")))
            assert all(counts), "every sentence names something"
            english = english or counts
            assert counts == english, (split, language)


def test_xrobust_reads_every_file_and_ids_align() -> None:
    source = LocalSource(DATA)
    for task in (PawsX(), Xnli(), WikiAnn(), Pos()):
        name = task.info.name
        for split in SPLITS:
            assert source.languages(task, split) == tuple(sorted(languages_of(split)))
            ids: list[str] = []
            for language in languages_of(split):
                examples = task.load(split, language, source)
                assert len(examples) == COUNTS[name][split]
                found = [example["id"] for example in examples]
                assert len(set(found)) == len(found)
                if name in ("pawsx", "xnli"):
                    ids = ids or found
                    assert found == ids
                assert all(task.kind.problem(example) is None for example in examples)
