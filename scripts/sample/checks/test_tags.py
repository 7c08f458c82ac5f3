"""Gold tags, told anew: every word's part of speech by a table and rules of its own, every name by the gazetteer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .gazetteer import LANGUAGES, identity, kind_of, name_words
from .sample_files import SPLITS, languages_of, tagged

Sentence = list[tuple[str, str]]
MAIN_TAGS = set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB".split())
DIGITS = re.compile(r"\d+(?P<unit>年)?(?P<rest>.*)")
CALENDAR = frozenset("monday tuesday wednesday friday saturday may august".split())  # names in English alone
# What the card says is no part of a name though it stands beside one.
OUTSIDE = {
    "en": "a an the 's",
    "de": "der die das dem den des ein eine von vom im am zur",
    "es": "el la los las un una del al de",
    "fr": "le la les l' un une du au aux des de d' en",
    "ru": "компания компании компанию компанией",
    "tr": "bir kentinde ile ve",
    "zh": "的 和 那",
    "ja": "の と は が に",
}
# (language, word): (before and after it, its tag if that is found), and its tag elsewhere. The word stands as @.
RULES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("en", "that"): ("(thinks|says|know) @", "SCONJ", "PRON"),
    ("en", "are"): ("^there @", "VERB", "AUX"),
    ("en", "has"): ("@ (two|three|four|five|six|seven|eight|nine|enough) ", "VERB", "AUX"),
    ("en", "this"): ("@ is ", "PRON", "DET"),
    ("en", "home"): ("at @", "NOUN", "ADV"),
    ("en", "to"): ("@ (build|work) ", "PART", "ADP"),
    ("de", "hat"): ("@ (zwei|drei|vier|fünf|sechs|sieben|acht|neun) ", "VERB", "AUX"),
    ("de", "der"): (", @", "PRON", "DET"),
    ("de", "die"): (", @", "PRON", "DET"),
    ("de", "das"): (", @", "PRON", "DET"),
    ("de", "als"): ("^@", "SCONJ", "CCONJ"),
    ("es", "fue"): ("se @", "VERB", "AUX"),
    ("es", "que"): (", @", "PRON", "SCONJ"),
    ("fr", "a"): ("@ (deux|trois|quatre|cinq|six|sept|huit|neuf) ", "VERB", "AUX"),
    ("fr", "en"): ("@ boit", "PRON", "ADP"),
    ("zh", "在"): ("(^你 知道 .*|就 )@", "VERB", "ADP"),
    ("zh", "把"): ("(一|两|三|四|五|六|七|八|九|那|这) @", "NOUN", "ADP"),
    ("ja", "が"): ("(ない|いる) @", "SCONJ", "ADP"),
    ("ja", "の"): ("(た|だ) @", "SCONJ", "ADP"),
    ("ja", "い"): ("て @", "AUX", "VERB"),
    ("ja", "いる"): ("て @", "AUX", "VERB"),
}


def lower(word: str, language: str) -> str:
    return (word.replace("İ", "i").replace("I", "ı") if language == "tr" else word).lower()


@cache
def table(language: str) -> dict[str, set[str]]:
    """{word: its tags} of all words that are neither nouns nor names."""
    found: dict[str, set[str]] = {}
    here = ""
    for line in (Path(__file__).parent / "tags.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            here = line[3:]
        elif here == language:
            tag, words = line.split(": ", 1)
            for word in words.split():
                found.setdefault(word, set()).add(tag)
    return found


@cache
def names(words: tuple[str, ...], language: str, first_is_none: bool = False) -> tuple[str, ...]:
    """The IOB2 tags of a sentence by the gazetteer: at every place the longest name that begins there."""
    tags: list[str] = ["O"] if first_is_none else []
    while len(tags) < len(words):
        start = len(tags)
        word = words[start].partition("'")[0] if language == "tr" else words[start]
        lengths = range(min(6, len(words) - start), 0, -1) if word in name_words(language) else ()
        length, kind = next(
            ((n, kind) for n in lengths if (kind := kind_of(words[start : start + n], language))), (1, "")
        )
        tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)] if kind else ["O"]
    return tuple(tags)


def sentences(task: str, language: str) -> Iterator[tuple[Sentence, tuple[str, ...], tuple[str, ...]]]:
    """Every sentence with its words and the IOB2 tags that they should have."""
    for split in SPLITS:
        if language in languages_of(split):
            for sentence, english in zip(tagged(task, split, language), tagged(task, split, "en"), strict=True):
                words = tuple(word for word, _ in sentence)
                man = language == "tr" and words[0] == "Adam" and "Adam" not in {word for word, _ in english}
                yield sentence, words, names(words, language, man)


def expected(words: tuple[str, ...], place: int, language: str) -> set[str]:
    """The part of speech of a word that is no name."""
    word = lower(words[place], language)
    if match := DIGITS.fullmatch(word):
        ordinal = language == "ru" and words[place + 1] == "году"
        return {"NOUN" if match["unit"] else "ADJ" if ordinal else "NUM"}
    if language == "en" and word in CALENDAR:
        return {"PROPN"}
    if (language, word) in RULES:
        pattern, found, elsewhere = RULES[language, word]
        sentence = " ".join([*words[:place], "@", *words[place + 1 :]])
        fits = re.search(rf"(?:^|(?<= )){pattern}", f"{lower(sentence, language)} ")
        return {found if fits else elsewhere}
    return table(language).get(word, {"NOUN"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_has_its_part_of_speech(language: str) -> None:
    wrong = []
    for sentence, words, entities in sentences("pos", language):
        for place, (kind, (word, tag)) in enumerate(zip(entities, sentence, strict=True)):
            dot = {"·": "PUNCT", "・": "SYM"}.get(word, "PROPN")
            right = {dot} if kind != "O" else expected(words, place, language)
            if {tag} != right:
                wrong.append((word, tag, right, " ".join(words)))
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_with_two_tags_has_a_rule(language: str) -> None:
    two = {word for word, tags in table(language).items() if len(tags) > 1}
    assert two <= {word for code, word in RULES if code == language} | {"rote", "roja"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_is_an_entity_of_its_type_and_nothing_else_is(language: str) -> None:
    every = sentences("wikiann", language)
    assert [(s, right) for s, _, right in every if right != tuple(tag for _, tag in s)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_beside_a_name_is_outside(language: str) -> None:
    inside = {
        lower(word, language)
        for split in SPLITS
        if language in languages_of(split)
        for sentence in tagged("wikiann", split, language)
        for word, tag in sentence
        if tag != "O"
    }
    assert inside & set(OUTSIDE[language].split()) == set()
    assert len(inside) > 30


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_names_whom_the_english_one_names(language: str) -> None:
    """The same persons, organisations and places, though in another order."""
    for task in ("wikiann", "pos"):
        for split in ("dev", "test"):
            english = tagged(task, split, "en")
            both = zip(tagged(task, split, language), english, strict=True)
            assert [(a, b) for a, b in both if named(a, b, language) != named(b, b, "en")] == []


def named(sentence: Sentence, english: Sentence, language: str) -> list[tuple[str, str]]:
    """What a sentence names, by the gazetteer, in alphabetical order."""
    words = tuple(word for word, _ in sentence)
    man = language == "tr" and words[0] == "Adam" and "Adam" not in {word for word, _ in english}
    tags = names(words, language, man)
    starts = [i for i, tag in enumerate(tags) if tag.startswith("B-")]
    ends = [next((j for j in range(i + 1, len(tags)) if not tags[j].startswith("I-")), len(tags)) for i in starts]
    return sorted(identity(words[i:j], language) for i, j in zip(starts, ends, strict=True))


def test_entities_of_every_type_have_one_and_several_tokens() -> None:
    for language in LANGUAGES:
        tags = Counter(tag for sentence in tagged("wikiann", "test", language) for _, tag in sentence)
        wanted = {"O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC"}
        assert wanted <= set(tags), language


def test_the_main_tags_occur_in_training_and_most_in_every_test() -> None:
    assert {tag for sentence in tagged("pos", "train", "en") for _, tag in sentence} == MAIN_TAGS
    for language in LANGUAGES:
        found = {tag for sentence in tagged("pos", "test", language) for _, tag in sentence}
        assert len(found) >= 13 and found <= MAIN_TAGS, (language, MAIN_TAGS - found)


def test_a_word_has_few_tags() -> None:
    """The gold tags are consistent: one word with many tags is a slip of a template."""
    for language in LANGUAGES:
        tags: dict[str, set[str]] = {}
        for split in ("dev", "test"):
            for sentence in tagged("pos", split, language):
                for token, tag in sentence:
                    tags.setdefault(token.lower(), set()).add(tag)
        assert {word: found for word, found in tags.items() if len(found) > 2} == {}
