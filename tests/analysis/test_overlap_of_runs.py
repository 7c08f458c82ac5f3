"""Overlap by hand, in several scripts, and read again from the data of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from handmade_runs import signed
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.analysis.overlap import Overlap, measure, overlaps
from xrobust.errors import UserError
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.results.budgets import equal_in
from xrobust.results.store import load_result

NER = TokenClassification(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))
POS = TokenClassification(("NOUN", "VERB", "PUNCT"))
PAIRS = SequenceClassification(("no", "yes"))


def tagged(*sentences: str) -> list[dict]:
    """`Anna/B-PER sees/O`: one example a sentence."""
    split = [[pair.rsplit("/", 1) for pair in sentence.split()] for sentence in sentences]
    return [
        {"id": str(i), "tokens": [token for token, _ in pairs], "tags": [tag for _, tag in pairs]}
        for i, pairs in enumerate(split)
    ]


def test_entities_by_hand():
    train = tagged("Anna/B-PER Berg/I-PER sees/O Paris/B-LOC", "New/B-LOC York/I-LOC is/O big/O")
    test = tagged(
        "Anna/B-PER Berg/I-PER mag/O Paris/B-LOC Paris/B-PER",  # Paris the person is another entity
        "Anna/B-PER mag/O York/I-LOC paris/B-LOC Paris/B-LOC",  # I-LOC after O begins an entity, as in span_f1
    )
    found = overlaps(train, test, NER)
    # Tokens: Anna B-PER twice, Berg I-PER, Paris B-LOC twice, York I-LOC are known; Paris B-PER, paris B-LOC not.
    assert found.entities == 6 / 8
    # Entities: {Anna Berg, Anna, Paris PER, Paris LOC, York, paris}: the first and Paris the place are known.
    assert found.chunks == 2 / 6
    # Anna Berg - Paris Paris, Anna - York - Paris.
    assert found.words == 7 / 10


def test_an_entity_ends_where_another_begins_or_the_type_changes():
    train = tagged("Anna/B-PER Otto/B-PER", "Paris/B-LOC Berg/I-PER")
    assert overlaps(train, tagged("Anna/B-PER", "Otto/B-PER", "Paris/B-LOC"), NER).chunks == 1
    assert overlaps(train, tagged("Anna/B-PER Otto/I-PER", "Paris/B-LOC Berg/I-LOC"), NER).chunks == 0


def test_tags_of_words_are_no_entities():
    found = overlaps(tagged("Hunde/NOUN bellen/VERB ./PUNCT"), tagged("hunde/NOUN bellen/NOUN ./PUNCT"), POS)
    assert found == Overlap(entities=None, chunks=None, words=2 / 3)
    assert overlaps(tagged("a/O"), tagged("b/O"), NER) == Overlap(None, None, 0.0)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("The Dog, the cat.", "the DOG barks!", 2 / 3),
        ("Привет, мир", "мир и Мир", 2 / 3),
        ("हिन्दी सीखो", "हिन्दी बोलो", 1 / 2),  # vowel signs are no letters: \\w+ would find हमन in half of all words
        ("हम नद", "हिन्दी", 0.0),
        ("ไปเที่ยว", "ไปเที่ยว บ้าน", 1 / 2),
        ("cafe\u0301", "cafe cafe\u0301", 1 / 2),
        ("a_b 42", "a b 42 42", 2 / 4),
        ("x", "...", None),
    ],
)
def test_words_of_texts(train: str, test: str, words: float | None):
    found = overlaps([{"id": "0", "text": train, "label": "no"}], [{"id": "0", "text": test, "label": "no"}], PAIRS)
    assert found == Overlap(None, None, words)


def test_all_texts_of_an_example_count():
    train = [{"id": "0", "text": "one two", "text_pair": "three", "label": "no"}]
    test = [{"id": "0", "text": "three", "text_pair": "two four", "label": "yes"}]
    assert overlaps(train, test, PAIRS).words == 2 / 3
    choice = MultipleChoice(("A", "B"))
    train = [{"id": "0", "text": "one", "choices": ["History", "Life"], "label": "A"}]
    test = [{"id": "0", "text": "two", "choices": ["history", "death"], "label": "A"}]
    assert overlaps(train, test, choice).words == 1 / 3


sentences = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["Anna", "Otto", "Paris", "a", "b"]), st.sampled_from(NER.labels)),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=5,
).map(lambda rows: [{"id": str(i), "tokens": [t for t, _ in r], "tags": [g for _, g in r]} for i, r in enumerate(rows)])


@settings(deadline=None)
@given(sentences, sentences, sentences)
def test_more_training_data_never_overlap_less(train: list, more: list, test: list):
    assert {value for value in vars(overlaps(test, test, NER)).values() if value is not None} <= {1.0}
    fewer, all_of_it = overlaps(train, test, NER), overlaps([*train, *more], test, NER)
    for name, value in vars(fewer).items():
        assert value is None or 0 <= value <= getattr(all_of_it, name) <= 1


def test_a_run_read_again(finished_run: Path, tiny_data: Path):
    result = load_result(finished_run)
    measured, notes = measure([result])
    assert notes == []
    assert [(m.task, m.source, m.language) for m in measured] == [("pos", "en", c) for c in ("de", "en", "fr")]
    for one in measured:
        assert one.metric == "accuracy"
        assert one.scores == {"vanilla": result.value(one.language)}
        assert one.overlap.entities is None
    words = {one.language: one.overlap.words for one in measured}
    assert words["en"] == 1
    assert 0 < words["de"] < 0.7  # names, `in`, `.`

    train, test = (
        [line.split("\t")[0] for line in (tiny_data / "pos" / f"{name}.tsv").read_text().splitlines() if line]
        for name in ("train-en", "test-de")
    )
    assert words["de"] == sum(word in train for word in test) / len(test)


def test_rows_that_are_no_longer_those_of_the_run(finished_run: Path, tiny_data: Path, tmp_path: Path):
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    german = data / "pos" / "test-de.tsv"
    german.write_text(german.read_text() + "\nNeues\tNOUN\n")
    _, notes = measure([load_result(finished_run)], data_dir=data)
    assert notes == [f"pos, source en: the rows of test de in {data} are not those that the runs used"]
    german.unlink()
    with pytest.raises(UserError, match=r"no test set of pos in language 'de'"):
        measure([load_result(finished_run)], data_dir=data)


def test_scores_of_all_methods_stand_beside_one_overlap(finished_run: Path, tmp_path: Path):
    """A second method on the same data, its document made by hand from that of the run."""
    from xrobust.config.resolved_spec import group_id, run_id

    document = json.loads((finished_run / "result.json").read_text())
    document["spec"]["train"]["method"][0]["name"] = "other"
    train = document["spec"]["train"]
    document |= {"run_id": run_id(train), "group_id": group_id(train), "scores": document["scores"][:2]}
    document = signed(document)
    (tmp_path / "result.json").write_text(json.dumps(document))
    measured, _ = measure([load_result(finished_run), load_result(tmp_path)])
    assert [sorted(one.scores) for one in measured] == [["other", "vanilla"], ["vanilla"], ["vanilla"]]
    assert measured[0].language == "de"
    budgets = measured[0].budgets.values()
    assert len(budgets) == 2 and None not in budgets and equal_in(budgets) == ("steps", "epochs")


def test_methods_with_other_hyperparameters_stand_beside_one_overlap(finished_run: Path, tmp_path: Path):
    """Each has a name of its own, and the budgets are those of each."""
    from xrobust.config.resolved_spec import group_id, run_id

    document = json.loads((finished_run / "result.json").read_text())
    train = document["spec"]["train"]
    train["training"] |= {"learning_rate": 1e-5, "max_steps": 1}
    document["training"]["budget"]["steps"] += 1
    document |= {"run_id": run_id(train), "group_id": group_id(train)}
    (tmp_path / "result.json").write_text(json.dumps(signed(document)))
    measured, _ = measure([load_result(finished_run), load_result(tmp_path)])
    assert [one.language for one in measured] == ["de", "en", "fr"]
    assert [len(one.scores) for one in measured] == [2, 2, 2]
    name, other = measured[0].scores
    assert name.startswith("vanilla [") and other.startswith("vanilla [") and name != other
    assert equal_in(measured[0].budgets.values()) == ()
