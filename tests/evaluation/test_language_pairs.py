"""Pairs of languages: how they are written, and how their examples are put together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import TinyChoiceTask, TinySequenceTask, TinyTokenTask

from xrobust.data.local import LocalSource
from xrobust.errors import UserError
from xrobust.evaluation.language_pairs import align, pair_name, parse_pairs, require_pair_task
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.xnli import Xnli

LANGUAGES = ("de", "en", "fr", "zh")


def test_all_is_every_ordered_pair_of_different_languages() -> None:
    pairs = parse_pairs("all", LANGUAGES)
    assert len(pairs) == len(set(pairs)) == 12
    assert ("en", "de") in pairs
    assert ("de", "en") in pairs
    assert not any(one == other for one, other in pairs)


def test_named_pairs_keep_their_order_and_come_once() -> None:
    expected = (("zh", "en"), ("en", "de"), ("de", "de"))
    assert parse_pairs("zh:en, en:de,de:de,zh:en", LANGUAGES) == expected
    assert parse_pairs(["zh:en", "en:de,de:de"], LANGUAGES) == expected
    assert parse_pairs("de:fr,all", LANGUAGES)[0] == ("de", "fr")
    assert len(parse_pairs("de:fr,all", LANGUAGES)) == 12


@given(st.lists(st.tuples(st.sampled_from(LANGUAGES), st.sampled_from(LANGUAGES)), min_size=1, unique=True))
def test_what_is_spelled_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert parse_pairs(",".join(map(pair_name, pairs)), LANGUAGES) == tuple(pairs)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("en-de", "'en-de' is no pair of languages; write en:de, or all"),
        ("en:de:fr", "'en:de:fr' is no pair"),
        ("en:", "'en:' is no pair"),
        ("", "'' is no pair"),
        ("en:de,", "'' is no pair"),
        ("en:dee", "no test data for language 'dee': did you mean 'de'? there are de, en, fr, zh"),
        ("xx:de", "no test data for language 'xx': there are de, en, fr, zh"),
    ],
)
def test_what_is_no_pair_is_said_in_one_line(asked: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        parse_pairs(asked, LANGUAGES)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_all_wants_two_languages() -> None:
    with pytest.raises(UserError, match="only de has test data"):
        parse_pairs("all", ["de"])


def test_only_two_sentences_can_be_mixed() -> None:
    assert require_pair_task(PawsX()) is PawsX.kind
    assert require_pair_task(Xnli()) is Xnli.kind
    for task, words in ((TinyTokenTask(), "is token classification"), (TinyChoiceTask(), "is multiple choice")):
        with pytest.raises(UserError, match=words):
            require_pair_task(task)

    class OneSentence(TinySequenceTask):
        columns = ("text", "label")

    with pytest.raises(UserError, match="has one sentence an example"):
        require_pair_task(OneSentence())


def rows(language: str, ids: Any, label: Any = lambda i: "yes") -> list[dict[str, Any]]:
    return [
        {"id": str(i), "text": f"{language} one {i}", "text_pair": f"{language} two {i}", "label": label(i)}
        for i in ids
    ]


def test_aligned_examples_are_the_first_of_one_and_the_second_of_the_other() -> None:
    found = align(rows("en", [3, 1, 2, 5]), rows("de", [1, 2, 3, 4, 6]), ("en", "de"))
    assert found.examples == [
        {"id": str(i), "text": f"en one {i}", "text_pair": f"de two {i}", "label": "yes"} for i in (3, 1, 2)
    ]
    assert found.unaligned == 3
    assert found.disagreeing == 0


def test_ids_that_do_not_align() -> None:
    english = rows("en", range(2000))
    with pytest.raises(UserError) as error:
        align(english, rows("de", range(1988, 5000)), ("en", "de"))
    assert "pair en:de: 12 of 2,000 ids" in str(error.value)
    with pytest.raises(UserError, match="0 of 2,000 ids"):
        align(english, rows("de", range(-5000, -1)), ("en", "de"))
    with pytest.raises(UserError, match="0 of 0 ids"):
        align(english, [], ("en", "de"))
    # Half of the smaller set is enough: a language may have been translated in part only.
    assert len(align(english, rows("de", range(1900, 2100)), ("en", "de")).examples) == 100
    with pytest.raises(UserError, match="99 of 200 ids"):
        align(english, rows("de", range(1901, 2101)), ("en", "de"))


def test_labels_that_differ() -> None:
    english = rows("en", range(100))
    few = align(english, rows("de", range(100), lambda i: "no" if i < 5 else "yes"), ("en", "de"))
    assert few.disagreeing == 5
    assert [e["id"] for e in few.examples] == [str(i) for i in range(5, 100)]
    assert few.unaligned == 0
    with pytest.raises(UserError, match="6 of 100 examples with the same id have different labels"):
        align(english, rows("de", range(100), lambda i: "no" if i < 6 else "yes"), ("en", "de"))


@pytest.mark.parametrize("task", [PawsX(), Xnli()], ids=lambda task: task.info.name)
def test_in_the_real_data_no_label_differs(real_data: Path, task: Any) -> None:
    source = LocalSource(real_data)
    english = task.load("test", "en", source)
    for language in ("de", "zh"):
        found = align(english, task.load("test", language, source), ("en", language))
        assert found.disagreeing == 0
        assert len(found.examples) > 0.98 * len(english)


def test_pairs_are_read_without_heavy_imports() -> None:
    program = (
        "import sys, xrobust.evaluation.language_pairs; print(*{'numpy', 'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
