"""The held-out pairs say the same in every language, sentence by sentence: who did what to whom is read off each with
the patterns of says.txt, which know nothing of the generator. Labels in every language follow from that."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from scripts.sample.checks.gazetteer import LANGUAGES, name_in_english, pattern
from scripts.sample.checks.sample_files import pairs

HELD_OUT = ("dev", "test")
ROLE = re.compile(r"\{(?P<role>[a-z])(?:\.(?P<form>\w+))?\}")
KINDS = {
    "a": "PER",
    "b": "PER",
    "c": "LOC",
    "d": "LOC",
    "k": "NUM",
    "j": "NUM",
    "p": "PLACE",
    "q": "PLACE",
    "t": "TIME",
}
THINGS = frozenset("omn")
E, N, C = "entailment", "neutral", "contradiction"
# (what the premise says, what the hypothesis says): the label if those whom both name are the same, that if these roles
# are filled otherwise (nothing else may differ).
LABELS = {
    ("born_and_moved", "born"): (E, C, "c"),
    ("worked_and_moved", "born"): (N, N, ""),
    ("things_and_animals", "animals"): (E, E, ""),
    ("things_at_home", "animals"): (N, N, ""),
    ("things_but_no_animals", "animals"): (C, C, ""),
    ("bought_gift", "bought"): (E, E, ""),
    ("wanted_gift", "bought"): (N, N, ""),
    ("bought_nothing", "bought"): (C, C, ""),
    ("older", "younger"): (E, C, "ab"),
    ("studied_longer", "younger"): (N, N, ""),
    ("all_with", "at_meeting"): (E, E, ""),
    ("many_perhaps", "at_meeting"): (N, N, ""),
    ("all_but", "at_meeting"): (C, C, ""),
    ("invited_stayed", "not_at_party"): (E, E, ""),
    ("invited", "not_at_party"): (N, N, ""),
    ("invited_came", "not_at_party"): (C, C, ""),
    ("win", "win"): (E, C, "ab"),
    ("played", "win"): (N, N, ""),
    ("managed", "closed"): (E, E, ""),
    ("asked", "closed"): (N, N, ""),
    ("forgot", "closed"): (C, C, ""),
    ("has_both", "has"): (E, E, ""),
    ("seeks", "has"): (N, N, ""),
    ("has_only", "has"): (E, C, "k"),
    ("with_in", "not_in"): (C, E, "c"),
    ("in", "not_in"): (N, N, ""),
}
Reading = tuple[str, frozenset[tuple[str, ...]]]


@dataclass(frozen=True)
class Way:
    """One way to say something in a language."""

    says: str
    pairs: tuple[tuple[str, ...], ...]
    pattern: re.Pattern[str]


@cache
def ways(language: str) -> tuple[Way, ...]:
    found, says, grouped = [], "", ()
    for line in (Path(__file__).parent / "says.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            says = line[3:].partition(" (")[0]
            grouped = tuple(tuple(group.split()) for group in re.findall(r"\(([^)]+)\)", line))
        elif line.startswith(f"{language}: "):
            found.append(Way(says, grouped, re.compile(_compiled(line[4:], language))))
    return tuple(found)


def _compiled(line: str, language: str) -> str:
    text = re.sub(r"([.?])(?!\w*\})", r"\\\1", line).replace("(", "(?:")
    if language == "fr":
        text = re.sub(r"\b(d|qu)e (?=\{)", r"(?:\1e |\1')", text)
    seen: dict[str, str] = {}

    def group(match: re.Match[str]) -> str:
        role, form = match["role"], match["form"] or ""
        again = role in seen
        if again and seen[role] == form:
            return f"(?P={role})"
        seen[role] = form
        if role == "y":
            found = r"\d{4}"
        elif role in THINGS:
            found = ".+"
        elif form == "was":
            found = pattern(KINDS[role], language) + "yd[ıi]"
        else:
            found = pattern(KINDS[role], language, form)
        return f"(?P<{role}{'2' if again else ''}>{found})"

    return ROLE.sub(group, text)


@cache
def roles(sentence: str, language: str) -> tuple[Way, dict[str, str]]:
    """How a sentence says what it says, and who or what is in each role: names in English, things as they stand."""
    found = [(way, match) for way in ways(language) if (match := way.pattern.fullmatch(sentence))]
    assert found, f"{language}: no pattern: {sentence}"
    # A thing may be any words: the pattern with the shortest things fits best.
    lengths = [sum(len(text) for role, text in match.groupdict().items() if role in THINGS) for _, match in found]
    best = [pair for pair, length in zip(found, lengths, strict=True) if length == min(lengths)]
    assert len({way.says for way, _ in best}) == 1, f"{language}: {[way.says for way, _ in best]}: {sentence}"
    way, match = best[0]
    filled = {}
    for role, text in match.groupdict().items():
        if role in THINGS:
            filled[role] = thing(text, language, counted="k" in match.groupdict())
        elif role == "y":
            filled[role] = text
        else:
            stem = re.sub("yd[ıi]$", "", text) if language == "tr" and role in "pq" else text
            name = name_in_english(stem, KINDS[role[0]], language)
            assert filled.setdefault(role[0], name) == name, sentence  # named twice in other cases
    return way, filled


def thing(text: str, language: str, counted: bool) -> str:
    """A thing as it stands, without the English article that says nothing about it; marked if it is counted."""
    lower = text.replace("İ", "i").replace("I", "ı").lower() if language == "tr" else text.lower()
    lower = re.sub("^(?:an?|the) ", "", lower) if language == "en" else lower
    return f"{'+' if counted else ''}{lower}"


def sentences(language: str) -> Iterator[tuple[str, str, int, int, str]]:
    """Every sentence of the held-out pairs with its task, split, row and place in the pair."""
    for task in ("pawsx", "xnli"):
        for split in HELD_OUT:
            for row, (first, second, _) in enumerate(pairs(task, split, language)):
                yield task, split, row, 0, first
                yield task, split, row, 1, second


@cache
def dictionary(language: str) -> dict[str, set[str]]:
    """{a thing's form: the English things in its place}, of all sentences."""
    found: dict[str, set[str]] = defaultdict(set)
    for (*_, sentence), (*_, english) in zip(sentences(language), sentences("en"), strict=True):
        way, here = roles(sentence, language)
        _, there = roles(english, "en")
        # In pairs that stand in any order, a letter is nothing but a place.
        for one, other in zip(things(way, here), things(way, there), strict=True):
            found[one].add(other)
    return found


def things(way: Way, filled: dict[str, str]) -> list[str]:
    """The things of a sentence: by role, or as they follow each other if roles are in no order."""
    known = {role: text for role, text in filled.items() if role in THINGS}
    return list(known.values()) if way.pairs else [known[role] for role in sorted(known)]


def reading(sentence: str, language: str) -> Reading:
    """What a sentence says, in English words; roles that come in pairs are in no order."""
    way, filled = roles(sentence, language)
    known = {role: "|".join(dictionary(language)[text]) if role in THINGS else text for role, text in filled.items()}
    grouped = {role for group in way.pairs for role in group}
    said = [tuple(known[role] for role in group) for group in way.pairs]
    return way.says, frozenset([*said, *((role, text) for role, text in known.items() if role not in grouped)])


def entailment(premise: Reading, hypothesis: Reading) -> str:
    """The label of a pair, from what its two sentences say and who is in the roles of both."""
    p, h = dict(premise[1]), dict(hypothesis[1])
    differing = {role for role in p.keys() & h.keys() if p[role] != h[role]}
    same, other, about = LABELS[premise[0], hypothesis[0]]
    assert differing <= set(about), (premise, hypothesis)
    return other if differing else same


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thing_is_one_thing_in_english(language: str) -> None:
    """If two languages had other things in a role, a form would stand for several English things."""
    assert {form: things for form, things in dictionary(language).items() if len(things) > 1} == {}


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_sentence_says_what_the_english_one_says(language: str) -> None:
    both = zip(sentences(language), sentences("en"), strict=True)
    assert [(a, b) for (*_, a), (*_, b) in both if reading(a, language) != reading(b, "en")] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_paraphrases_say_the_same_and_the_others_do_not(language: str) -> None:
    for split in HELD_OUT:
        for first, second, label in pairs("pawsx", split, language):
            same = reading(first, language) == reading(second, language)
            assert same == (label == "1"), (first, second, label)


@pytest.mark.parametrize("language", LANGUAGES)
def test_entailment_follows_from_what_the_sentences_say(language: str) -> None:
    for split in HELD_OUT:
        for premise, hypothesis, label in pairs("xnli", split, language):
            assert entailment(reading(premise, language), reading(hypothesis, language)) == label, (premise, hypothesis)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_to_say_something_is_met(language: str) -> None:
    met = {roles(sentence, language)[0] for *_, sentence in sentences(language)}
    assert [way.pattern.pattern for way in ways(language) if way not in met] == []
