"""English: a and an, articles, number."""

from __future__ import annotations

import re

import pytest

from .sample_files import token_lists

NUMBERS = set("two three four five six seven eight nine".split())
PLURALS_WITHOUT_S = {"people"}
DETERMINERS = {"a", "an", "the", "no", "this", "every", "his", "her", "our", "my", "their"}


def problems(words: list[str]) -> list[str]:
    found = []
    for word, after in zip([w.lower() for w in words], words[1:], strict=False):
        vowel = re.match("[aeiou]", after.lower()) is not None and not re.match("uni|eu|one", after.lower())
        if (word == "a" and vowel) or (word == "an" and not vowel):
            found.append(f"{word} {after}")
        if word in DETERMINERS and after.lower() in DETERMINERS:
            found.append(f"two determiners: {word} {after}")
        if word in NUMBERS and not after.endswith("s") and after not in PLURALS_WITHOUT_S | {"new"}:
            found.append(f"no plural after {word}: {after}")
    return found


def test_the_sample_has_no_such_error() -> None:
    assert [(words, errors) for words in token_lists("en") if (errors := problems(words))] == []


@pytest.mark.parametrize(
    "sentence",
    ["Anna bought a old book .", "He has an new car .", "Max sold the a lamp .", "Eva has two dog ."],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
