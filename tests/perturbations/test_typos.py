"""Slips by script: the tables they come from, and what must never come out."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust_tasks.perturbations.shared.confusions import KANA_CONFUSIONS, han_confusions
from xrobust_tasks.perturbations.shared.keyboards import KEYBOARDS, keyboard_for
from xrobust_tasks.perturbations.shared.slips import slips
from xrobust_tasks.perturbations.typos import Typos


def forms(word: str, language: str) -> set[str]:
    return {form for found in slips(word, language).values() for form in found}


@pytest.mark.parametrize("name", sorted(KEYBOARDS))
def test_neighbouring_keys_are_neighbours_both_ways(name: str) -> None:
    keyboard = KEYBOARDS[name]
    assert sum(not keyboard.neighbors(letter) for letter in keyboard.letters) <= 1, "keys at the edge, as ё"
    for letter in keyboard.letters:
        for other in keyboard.neighbors(letter):
            assert other != letter
            assert letter in keyboard.neighbors(other), (letter, other)
            assert unicodedata.category(other)[0] in "LM"


@pytest.mark.parametrize("name", sorted(KEYBOARDS))
def test_no_letter_has_two_keys(name: str) -> None:
    keyboard = KEYBOARDS[name]
    keys = [key for level in (keyboard.rows, keyboard.shifted or ()) for row in level for key in row if key != " "]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("script", "language", "letter", "near"),
    [
        ("Latin", "en", "s", "adewxz"),
        ("Latin", "pt-BR", "l", "çkop"),
        ("Latin", "de", "z", "ghtu"),
        ("Latin", "fr", "a", "éqz"),
        ("Latin", "tr", "ı", "jkou"),
        ("Cyrillic", "ru", "а", "вемпкс"),
        ("Cyrillic", "bg", "а", "еийояъ"),
        ("Cyrillic", "uk", "і", "вуфцчя"),
        ("Greek", "el", "σ", "αδεζςχ"),
        ("Hebrew", "he", "ש", "דז"),
        ("Arabic", "fa", "گ", "کجچ"),
        ("Devanagari", "hi", "क", "खगतदरस"),
        ("Thai", "th", "ก", "ฏดปพหำแ"),
    ],
)
def test_what_lies_beside_a_key(script: str, language: str, letter: str, near: str) -> None:
    keyboard = keyboard_for(script, language)
    assert keyboard is not None
    assert set(keyboard.neighbors(letter)) == set(near)


@pytest.mark.parametrize("table", [KANA_CONFUSIONS, han_confusions("ja")])
def test_confusions_go_both_ways(table: dict[str, str]) -> None:
    assert all(character in table[other] for character, others in table.items() for other in others)


def test_chinese_confusions_do_not_mix_the_variants() -> None:
    table = han_confusions("zh")
    for character, others in table.items():
        for other in others:
            for charset in ("gb2312", "big5"):
                if character.encode(charset, "ignore"):
                    assert other.encode(charset, "ignore"), f"{character} -> {other}"
    assert set(table["記"]) == {"紀"}
    assert set(table["记"]) == {"纪"}
    assert "為" not in table["位"], "a character of both variants leads to one of both"


def test_han_tables_by_language() -> None:
    assert "製" in han_confusions("ja")["制"]
    assert "製" not in han_confusions("zh")["制"]


@pytest.mark.parametrize(
    ("word", "language", "there", "never"),
    [
        ("then", "en", {"tehn", "thhen", "tgen", "thn"}, {"hten", "rhen", "the", "ten", "they"}),
        ("STOP", "en", {"SROP", "SOTP"}, {"SrOP", "STPO"}),
        ("of", "en", set(), {"if", "off", "od"}),
        ("Straße", "de", {"Strße", "Straßße"}, set()),
        ("İstanbul", "tr", {"İsatnbul"}, {"i̇stanbul", "İstambul"}),
        ("gelmiyor", "tr", {"gelmiyyor", "gemliyor"}, {"geliyor", "gelniyor"}),
        ("λόγος", "el", {"λόφος", "λόγοος"}, {"λόγςο", "λόγσο"}),
        ("μας", "el", {"μζς"}, {"μασ", "μςα", "μαα"}),
        ("שלום", "he", {"שולם", "שום"}, {"שלםו", "שלו"}),
        ("مدينة", "ar", {"مدينه"}, {"مديةن"}),
        ("می‌روم", "fa", {"میروم"}, {"م‌یروم"}),
        ("किताब", "hi", {"कताब", "कीताब"}, {"कतिाब", "किताबा"}),
        ("น้ำใจ", "th", {"นำใจ"}, {"นำ้ใจ", "น้ำจใ"}),
        ("먹다", "ko", {"머다", "먹가"}, set()),
        ("コミュニケーション", "ja", {"コミニュケーション", "コミュニケション"}, {"コミュニケーショ"}),
        ("きて", "ja", {"きって", "ぎて"}, {"って"}),
        ("再见", "zh", {"在见", "再件"}, {"見见"}),
        ("那他", "zh", set(), {"哪他", "那她"}),
    ],
)
def test_slips_of_known_words(word: str, language: str, there: set[str], never: set[str]) -> None:
    found = forms(word, language)
    assert there <= found
    assert not never & found


def test_hangul_slips_are_whole_syllables() -> None:
    for word in ("안녕하세요", "많다", "학생", "읽었다", "ㅋㅋ안"):
        found = forms(word, "ko")
        assert found
        for form in found:
            assert all("가" <= c <= "힣" or c == "ㅋ" for c in form), form


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=5))
def test_hangul_stays_hangul(word: str) -> None:
    assert all("가" <= c <= "힣" for form in forms(word, "ko") for c in form)


@settings(max_examples=50, deadline=None)
@given(
    st.text(st.sampled_from("กนรมงอาะำัิีุู่้เแใ"), min_size=2, max_size=6),
    st.text(st.sampled_from("कनरमपि ाीुू्ंअइ़".replace(" ", "")), min_size=2, max_size=6),
)
def test_no_sign_loses_its_letter(thai: str, hindi: str) -> None:
    for form in forms(thai, "th") if unicodedata.category(thai[0]) == "Lo" else ():
        assert not re.search("[ัิีุู่้][ัิีุู]|[เแใ](?![ก-ฮ])|[เแใ][ัิีุู่้]", form), form
    for form in forms(hindi, "hi") if unicodedata.category(hindi[0]) == "Lo" else ():
        assert not re.search("[अइ][ािीुू्]|[ािीुूं][ािीुू़्]", form), form


@pytest.mark.parametrize("language", "en de tr ru bg uk el ar fa ur he hi mr th ko ja zh ka".split())
def test_languages_with_a_table_are_covered(language: str) -> None:
    assert Typos(Typos.Params()).language_problem(language) is None


@pytest.mark.parametrize("language", "bn ta te ml my am hy km".split())
def test_languages_without_a_table_say_so(language: str) -> None:
    assert "no keyboard layout for the" in (Typos(Typos.Params()).language_problem(language) or "")
