"""No structure of a training sentence is met again in dev or test: English sentences with what fills them taken out."""

from __future__ import annotations

import re

import pytest
from sample_files import TASKS, pairs, tagged

from scripts.sample.lexicon import entries

FILLERS = {
    word.lower()
    for kind, rows in entries().items()
    for entry in rows
    for form in re.split(r"[/ ]", entry["en"].removeprefix("the "))
    for word in [form.partition("/")[0]]
    if kind not in ("act", "deal") and word not in ("on", "in", "at", "the", "last", "this")
}
NUMBERS = set("two three four five six seven eight nine".split())
PRONOUNS = set("he she his her him".split())


def structure(sentence: list[str]) -> str:
    """The words that a template has of its own; every run of names, nouns, adjectives and numbers is one gap."""
    kept = [
        "_" if re.fullmatch(r"\d+|a|an|the", word) or word in FILLERS | NUMBERS | PRONOUNS else word
        for word in (word.lower() for word in sentence)
    ]
    return re.sub(r"_( _)*", "_", " ".join(kept))


def structures(task: str, split: str) -> set[str]:
    if task in ("pawsx", "xnli"):
        words = re.compile(r"\w+|'s|[^\w\s]")
        return {" | ".join(structure(words.findall(text)) for text in row[:2]) for row in pairs(task, split, "en")}
    return {structure([token for token, _ in sentence]) for sentence in tagged(task, split, "en")}


@pytest.mark.parametrize("task", TASKS)
def test_no_structure_is_in_two_splits(task: str) -> None:
    train, dev, test = (structures(task, split) for split in ("train", "dev", "test"))
    assert not train & test
    assert not train & dev
    assert not dev & test
    assert len(train) > len(test) > 5


def test_a_shared_structure_is_seen() -> None:
    assert structure("Anna Weber met Max in Rome .".split()) == structure("Viktor met Lisa Klein in Paris .".split())
    assert structure("Anna met Max in Rome .".split()) != structure("Anna saw Max in Rome .".split())
