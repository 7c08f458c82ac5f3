"""Russian: cases after prepositions, agreement of adjectives, numbers, and gender of past verbs, by tables of "
"forms."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from .russian_forms import CASES, CASES_OF, LAST_NAMES, NAMES
from .sample_files import token_lists

GENITIVE = "из у от для против кроме раньше позже старше младше моложе"
GOVERNS = {"в": {"acc", "prep"}, "во": {"acc", "prep"}, "с": {"ins"}, "чем": {"nom"}, "к": {"dat"}, "ко": {"dat"}} | {
    word: {"gen"} for word in GENITIVE.split()
}
# Before a name в is where (prepositional) or where to (accusative): the nearest of these words before it says which.
WHERE = set(
    "живёт работает работать работал работала родился родилась открыла закроет старый офис выиграл выиграла проиграл "
    "проиграла играл играла сегодня сейчас построить школу туристов".split()
)
WHERE_TO = set(
    "отправился отправилась отправь переехал переехала прилетел прилетела полёт поехал поехала приехал приехала".split()
)
BESIDE = {"посетит": "acc", "глава": "gen", "продала": "dat", "письмо": "dat"}  # the case of a name after them
# The gender, and a for animate, of nouns in the accusative; after them the nominatives.
NOUN_GENDER = {
    "m": "велосипед стул стол нож зонт ключ телефон компьютер",
    "n": "кольцо письмо зеркало",
    "f": "книгу карту картину машину лампу шляпу сумку гитару газету коробку бутылку рубашку",
    "ma": "учителя врача студента туриста журналиста фермера писателя художника инженера повара адвоката водителя "
    "садовника",
    "fa": "девочку женщину актрису медсестру певицу бабушку",
}
ACCUSATIVE = {noun: gender for gender, nouns in NOUN_GENDER.items() for noun in nouns.split()}
NOMINATIVE_M = set(
    "учитель врач студент турист журналист фермер писатель художник инженер повар адвокат водитель садовник "
    "мужчина".split()
)
NOMINATIVE_F = set("девочка женщина актриса медсестра певица бабушка".split())
NOMINATIVE = dict.fromkeys(NOMINATIVE_M, "nominative m") | dict.fromkeys(NOMINATIVE_F, "nominative f")
ENDINGS = {
    "m": "ый|ий|ой", "n": "ое|ее", "f": "ую|юю", "ma": "ого|его", "fa": "ую|юю", "nominative m": "ый|ий|ой",
    "nominative f": "ая|яя",
}  # fmt: skip
ADJECTIVE = re.compile(
    r"(?i:молод|вежлив|устал|известн|весёл|стар|нов|маленьк|больш|красн|син|чёрн|бел|дорог|красив|тяжёл)"
    r"(?P<end>ый|ий|ой|ая|яя|ое|ее|ого|его|ому|ему|ую|юю|ым|им|ом|ем|ей)"
)
PAST = re.compile(r"[а-яё]{2,}(?:л|ла|лся|лась|[её]с|ог|пас)$")
FEMALE_PAST = re.compile(r"(?:ла|лась)$")
NOT_VERBS = {"стол", "стул"}
ACCUSATIVE_SINGULAR = {"два": "mn", "две": "f"}
GENITIVE_AFTER_TWO = {
    "f": "книги карты картины машины лампы шляпы сумки гитары газеты коробки бутылки рубашки собаки кошки лошади "
    "коровы "
    "утки козы груши",
    "mn": "велосипеда стула стола ножа зонта ключа телефона компьютера кольца письма зеркала кролика яблока "
    "апельсина банана "
    "торта яйца часа года",
}
PLURAL_GENITIVE = set(
    "книг карт картин велосипедов машин стульев столов ламп шляп сумок гитар ножей зонтов ключей телефонов "
    "компьютеров "
    "газет колец писем коробок бутылок зеркал рубашек собак кошек лошадей коров кроликов уток коз яблок груш "
    "апельсинов "
    "бананов тортов яиц часов лет".split()
)


def problems(words: list[str]) -> list[str]:
    found = []
    lower = [word.lower() if i == 0 else word for i, word in enumerate(words)]
    for i, (word, after) in enumerate(zip(lower, words[1:], strict=False)):
        if word in GOVERNS and after in CASES_OF and not GOVERNS[word] & CASES_OF[after]:
            found.append(f"{word} {after}")
        if word == "в" and re.match("[ВвФф][^аеёиоуыэюя]", after):
            found.append(f"в before two consonants: {after}")
        if word in ("в", "во") and after in CASES_OF:
            verb = next((w for w in reversed(lower[:i]) if w in WHERE | WHERE_TO), "")
            if ("acc" if verb in WHERE_TO else "prep" if verb else "?") not in CASES_OF[after]:
                found.append(f"{verb or '?'} {word} {after}")
        if word in BESIDE and after in CASES_OF and BESIDE[word] not in CASES_OF[after]:
            found.append(f"{word} {after}")
        gender = ACCUSATIVE.get(after) or NOMINATIVE.get(after)
        if gender and (match := ADJECTIVE.fullmatch(word)) and not re.fullmatch(ENDINGS[gender], match["end"]):
            found.append(f"{word} {after}")
        found += full_name(words[i], after)
        found += counted(word, after)
        found += subject(lower, i)
    return found


def full_name(first: str, last: str) -> list[str]:
    """A man's surname stands in the case of his first name, a woman's in none."""
    surname = next((paradigm for paradigm in LAST_NAMES if last in paradigm), None)
    name = next((paradigm for paradigm in NAMES[:26] if first in paradigm), None)
    if surname is None or name is None:
        return []
    female = name[0][-1] in "ая"
    fits = {surname[0]} if female else {s for n, s in zip(name, surname, strict=True) if n == first}
    return [] if last in fits else [f"{first} {last}"]


def counted(number: str, noun: str) -> list[str]:
    """два стола, две лампы, пять столов."""
    small = {noun: gender for gender, nouns in GENITIVE_AFTER_TWO.items() for noun in nouns.split()}
    if number in ("два", "две"):
        wrong = small.get(noun) != ACCUSATIVE_SINGULAR[number]
    elif number in ("три", "четыре"):
        wrong = noun not in small
    elif number in ("пять", "шесть", "семь", "восемь", "девять"):
        wrong = noun not in PLURAL_GENITIVE
    else:
        return []
    return [f"{number} {noun}"] if wrong else []


def subject(words: list[str], i: int) -> list[str]:
    """A nominative and the past verb after it (a surname, не or ничего не between)."""
    name = words[i][0].upper() + words[i][1:]
    if "nom" in CASES_OF.get(name, ()) and name in FIRST_NAMES:
        female = name[-1] in "ая"
    elif words[i] in NOMINATIVE_M | NOMINATIVE_F:
        female = words[i] in NOMINATIVE_F
    else:
        return []
    if i and words[i - 1] in ("и", "чем", ","):
        return []
    rest = [w for w in words[i + 1 : i + 5] if w not in ("не", "ничего", "очень")]
    if rest and rest[0][0].isupper():
        rest = rest[1:]
    if not rest or not PAST.fullmatch(rest[0]) or rest[0] in NOT_VERBS:
        return []
    return [] if (FEMALE_PAST.search(rest[0]) is not None) == female else [f"{words[i]} {rest[0]}"]


FIRST_NAMES = {paradigm[0] for paradigm in NAMES[:26]}


def test_the_sample_has_no_such_error() -> None:
    assert [(" ".join(words), errors) for words in token_lists("ru") if (errors := problems(words))] == []


def test_every_form_of_a_name_in_the_sample_is_in_the_table() -> None:
    """A first name or place in a form that the table does not have is a wrong form."""
    stems = {re.sub("[аяьийыо]+$", "", paradigm[0]) for paradigm in NAMES[:-1]}
    known = set(CASES_OF)
    tokens = {word for words in token_lists("ru") for word in words[1:]}
    odd = {t for t in tokens for stem in stems if re.fullmatch(f"{stem}[а-яё]{{0,3}}", t) and t not in known}
    assert odd - {"Росси"} == set()  # a surname that begins as Russia does


def test_the_checks_look_at_something() -> None:
    sentences = token_lists("ru")
    subjects = sum(
        w in FIRST_NAMES and PAST.fullmatch(after) is not None for s in sentences for w, after in pairwise(s)
    )
    assert subjects > 200
    assert {case for words in sentences for word in words for case in CASES_OF.get(word, ())} == set(CASES)


@pytest.mark.parametrize(
    "sentence",
    [
        "Анна живёт в Берлина .",
        "Анна пришла из Москве .",
        "Анна родился в Риме .",
        "Вчера Макс купила стол .",
        "Макс нашёл новая лампу .",
        "Макс видел молодой врача .",
        "Усталый медсестра нашла ключ .",
        "У Анна две стола .",
        "У Анны пять стола .",
        "Макс старше Анну на два года .",
        "Анна живёт в Франции .",
        "Анна живёт в Москву .",
        "Анна переехала в Москве .",
        "Анна родилась в 1990 году в Риме , в Италию .",
        "Глава Европейский союз посетит Рим .",
        "Компания Sony продала компанию Nokia офис в Риме .",
        "Макс видел Анну Новака .",
        "Анна видела Макса Новак .",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
