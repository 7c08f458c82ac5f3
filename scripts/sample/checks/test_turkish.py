"""Turkish: vowel harmony, buffer letters and voicing by rules of their own, apostrophes, singular after numbers."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import pytest

from .sample_files import token_lists

# As they are said, where spelling misleads: the suffix follows the sound.
SAID = {
    "Airways": "eyrveyz",
    "France": "frans",
    "Klein": "klayn",
    "Montreal": "montrel",
    "Sony": "soni",
    "Max": "maks",
    "Felix": "feliks",
}
COMPOUNDS = {"Bankası", "Birliği", "Parlamentosu"}  # they end in a possessive suffix
# The cases that the word before one of these may be in (of a name).
NEEDS = {
    word: case
    for case, words in {
        "loc": "yaşayan oturan bulunan yaşıyor doğan çalışan",
        "dat": "uçtu gönder sattı taşındı yenildi karşı",
        "acc": "yendi ziyaret",
        "abl": "önce sonra geldi",
    }.items()
    for word in words.split()
}
ENDINGS = {
    "acc": "[yn]?[ıiuü]",
    "dat": "[yn]?[ae]",
    "loc": "n?[dt][ae]",
    "abl": "n?[dt][ae]n",
    "gen": "n?[ıiuü]n",
}
FRAMES = {  # names farther from what asks for their case: the suffixes in a frame, and their cases
    r"'(\S+) \S+'(\S+) uçtu": "abl dat",
    r"'(\S+) \S+ kentinde": "gen",
    r"'(\S+) (?:yeni bir ofis|bir okul|olduğunu biliyor)": "loc",
    r"'(\S+) (?:başkanı|yeni bisikleti)": "gen",
    r"'(\S+) ve \S+'(\S+) ziyaret": "acc acc",
    r"'(\S+) \S+'(\S+) daha hoş": "gen abl",
}
FRONT, ROUNDED = "eiöü", "oöuü"
VOWELS = "aeıioöuü"
NUMBERS = set("iki üç dört beş altı yedi sekiz dokuz".split())
NOUNS = (
    "öğretmen doktor öğrenci turist gazeteci çiftçi yazar ressam mühendis aşçı avukat şoför bahçıvan kız kadın "
    "adam aktris "
    "hemşire şarkıcı büyükanne kitap harita tablo bisiklet araba sandalye masa lamba şapka çanta gitar bıçak şemsiye "
    "anahtar telefon bilgisayar gazete yüzük mektup kutu şişe ayna gömlek köpek kedi at inek tavşan ördek keçi otel "
    "okul hastane pazar müze istasyon park kütüphane restoran tiyatro bahçe mutfak havaalanı ofis parti pencere"
).split()
SOFT = {"kitap", "bıçak", "yüzük", "mektup", "gömlek", "köpek", "inek", "ördek"}
NAMES = (
    "Peter Thomas David Daniel Martin Robert Adam Simon Oscar Felix Max Viktor Anna Maria Laura Julia Sofia Elena "
    "Nina "
    "Clara Eva Emma Sara Lisa Olga Vera Berlin Münih Paris Madrid Roma Ankara İstanbul Moskova Tokyo Pekin Lizbon "
    "Atina"
).split()


def lower(text: str) -> str:
    return text.replace("İ", "i").replace("I", "ı").lower()


def suffix_fits(stem: str, suffix: str, compound: bool = False) -> bool:
    """Whether a case suffix (acc, dat, loc, abl, gen) goes with the sound of the stem."""
    stem = lower(stem)
    last = next(letter for letter in reversed(stem) if letter in VOWELS)
    vowels = [letter for letter in suffix if letter in VOWELS]
    if any((vowel in FRONT) != (last in FRONT) for vowel in vowels):
        return False
    for vowel in vowels:
        if vowel in "ıiuü" and (vowel in ROUNDED) != (last in ROUNDED):
            return False
    if any(vowel in "oö" for vowel in vowels):
        return False
    shape = re.sub("[ae]", "A", re.sub("[ıiuü]", "I", suffix))
    if compound:
        return shape in {"nI", "nA", "ndA", "ndAn", "nIn"}
    if stem[-1] in VOWELS:
        return shape in {"yI", "yA", "dA", "dAn", "nIn"}
    hard = stem[-1] in "çfhkpsşt"
    return shape in ({"I", "A", "tA", "tAn", "In"} if hard else {"I", "A", "dA", "dAn", "In"})


def problems(words: list[str]) -> list[str]:
    found = [error for word in words for error in problems_of_word(word)]
    for frame, cases in FRAMES.items():
        if match := re.search(frame, " ".join(words)):
            suffixes = zip(cases.split(), match.groups(), strict=True)
            found += [f"not {case}: {match[0]}" for case, suffix in suffixes if not re.fullmatch(ENDINGS[case], suffix)]
    for word, after in pairwise(words):
        if lower(word) in NUMBERS and re.search("l[ae]r$", after):
            found.append(f"a plural after a number: {word} {after}")
        name, apostrophe, ending = word.partition("'")
        # A name without a suffix stands beside these words where it is the subject.
        if apostrophe and not name.isdigit() and after in NEEDS and not re.fullmatch(ENDINGS[NEEDS[after]], ending):
            found.append(f"{word} {after}")
        if after in ("da", "de") and not suffix_fits(SAID.get(word, word) + "z", after):  # neither is ever ta, te
            found.append(f"too: {word} {after}")
    return found


@cache
def problems_of_word(word: str) -> list[str]:
    """What is wrong with the suffix of a word."""
    found = []
    name, apostrophe, suffix = word.partition("'")
    if apostrophe and name.isdigit():
        return []
    if apostrophe and not suffix_fits(SAID.get(name, name), suffix, name in COMPOUNDS):
        found.append(f"suffix of a name: {word}")
    glued = any(re.fullmatch(rf"{known}(?:[dt][ae]n?|[yn]?[ıiuüae]n?)", word) for known in NAMES)
    if glued and word not in NAMES:
        found.append(f"no apostrophe: {word}")
    found += [f"suffix of a noun: {word}" for noun in NOUNS if not noun_fits(noun, lower(word))]
    if re.match("I[a-zçğıöşü]", word):
        found.append(f"a capital without its dot: {word}")
    return found


def noun_fits(noun: str, word: str) -> bool:
    """False where `word` is the noun with a case suffix that does not go with it."""
    soft = {"k": "ğ", "p": "b"}.get(noun[-1], "")
    if noun in SOFT and re.fullmatch(f"{noun}[ıiuüae]", word):
        return False
    for stem in (noun, noun[:-1] + soft if noun in SOFT else noun):
        match = re.fullmatch(rf"{stem}(?P<suffix>[dt][ae]n?|[yn]?[ıiuü]n?|y?[ae])", word)
        if match and not suffix_fits(stem if stem == noun else noun[:-1] + "g", match["suffix"]):
            return False
    return True


def test_the_sample_has_no_such_error() -> None:
    assert [(" ".join(words), errors) for words in token_lists("tr") if (errors := problems(words))] == []


def test_every_frame_is_met() -> None:
    sentences = [" ".join(words) for words in token_lists("tr")]
    assert [frame for frame in FRAMES if not any(re.search(frame, sentence) for sentence in sentences)] == []


def test_every_kind_of_suffix_is_seen() -> None:
    seen = {word.partition("'")[2] for words in token_lists("tr") for word in words if "'" in word}
    for shapes in ("i ı u ü", "e a ye ya", "de da te ta", "den dan ten tan", "in ın un ün nin nın nun"):
        assert len(set(shapes.split()) & seen) >= len(shapes.split()) - 1, shapes


@pytest.mark.parametrize(
    "sentence",
    [
        "Anna Berlin'da yaşıyor .",
        "Anna Paris'de yaşıyor .",
        "Anna Roma'a gitti .",
        "Anna Berlinde yaşıyor .",
        "Peter'ın kedisi var .",
        "Anna üç kitaplar aldı .",
        "Anna kitapı aldı .",
        "Anna arabayi aldı .",
        "Istanbul'da yaşıyor .",
        "Max Dünya Bankası'ya gitti .",
        "Berlin'e yaşayan Anna geldi .",
        "Anna dün Berlin'den Paris'te uçtu .",
        "Anna dün Berlin'de Paris'e uçtu .",
        "Max , Berlin'i Roma'dan daha hoş olduğunu söylüyor .",
        "Belki Peter da oradaydı .",
        "Belki Max de oradaydı .",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
