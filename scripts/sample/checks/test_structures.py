"""What the data card says of structures, words and names.

In a task, no structure of a training sentence is met again in dev or test, or of dev in test, single sentences
included. How many templates and words there are. Names in dev and test are new.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from ..tables import entries, templates
from .sample_files import DATA, SPLITS, TASKS, pairs, tagged

FILLERS = {
    word.lower()
    for kind, rows in entries().items()
    for entry in rows
    for form in entry["en"].forms
    for part in form.removeprefix("the ").split()
    for word in [part.partition("/")[0]]
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
    """Of every single sentence; in the tasks of pairs, of premises, hypotheses and both sides of a paraphrase alike."""
    if task in ("pawsx", "xnli"):
        words = re.compile(r"\w+|'s|[^\w\s]")
        return {structure(words.findall(text)) for row in pairs(task, split, "en") for text in row[:2]}
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


def test_the_counts_of_the_data_card() -> None:
    card = " ".join((DATA / "README.md").read_text(encoding="utf-8").split())
    count = {(file, s): len(templates(file, s)) for file in ("pawsx", "xnli", "tagging") for s in SPLITS}
    of = {file: sum(n for (f, _), n in count.items() if f == file) for file in ("pawsx", "xnli", "tagging")}
    training = sum(n for (_, split), n in count.items() if split == "train")
    each = f"{of['pawsx']} for `pawsx`, {of['xnli']} for `xnli`, {of['tagging']} for the other two"
    assert f"from {sum(of.values())} templates ({each}; {training} of them for training)" in card
    sentences = [text for task in ("pawsx", "xnli") for s in SPLITS for row in pairs(task, s, "en") for text in row[:2]]
    words = {word for text in sentences for word in re.findall(r"[A-Za-z]+(?:'s)?", text)}
    words |= {w for task in ("wikiann", "pos") for s in SPLITS for row in tagged(task, s, "en") for w, _ in row}
    assert f"{sum(word.islower() for word in words)} word forms in lower case" in card


def spans(sentence: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    """(type, token, ...) of every entity."""
    tokens = [token for token, _ in sentence]
    return [(kind, *tokens[start : end + 1]) for kind, start, end in get_entities([tag for _, tag in sentence])]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_names_of_people_organisations_and_cities_are_new(split: str) -> None:
    """But for countries a table of training's names finds nothing."""
    seen, met = (
        Counter(entity for s in tagged("wikiann", part, "en") for entity in spans(s)) for part in ("train", split)
    )
    people, others = ({word for kind, *words in counts if kind == "PER" for word in words} for counts in (seen, met))
    assert len(people) > 15 and len(others) > 15 and not people & others
    assert {entity for entity in met if entity in seen} == {
        ("LOC", name) for country in entries()["country"] for name in country["en"].forms if met["LOC", name]
    }
    assert sum(count for entity, count in met.items() if entity not in seen) > 0.7 * sum(met.values())
