"""Words, clusters, letters and scripts: what the perturbations of form stand on."""

from __future__ import annotations

import pytest

from xrobust_tasks.perturbations.shared.graphemes import clusters
from xrobust_tasks.perturbations.shared.letters import lower, title, upper
from xrobust_tasks.perturbations.shared.scripts import script_of, script_of_language
from xrobust_tasks.perturbations.shared.words import words
from xrobust_tasks.perturbations.typos import Typos


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/b or a.b@example.org, 3rd edition, 24/7, #tag", "see or edition"),
        ("Don't stop – l’été, well-known!", "Don't stop l’été well known"),
        ("B2B and 3D", "and"),
        ("می‌روم خانه", "می‌روم خانه"),
        ('דו"ח צה״ל', "דו ח צה״ל"),
        ("हिन्दी में", "हिन्दी में"),
        ("在2005年出生", "在 年出 生"),
        ("東京タワーへ行く", "東京 タワー へ 行 く"),
        ("น้ำใจดีมาก", "น้ำใจดี มาก"),
        ("iPhoneで", "iPhone で"),
        ("́a", ""),
    ],
)
def test_the_words_of_a_text(text: str, found: str) -> None:
    assert [word.text for word in words(text)] == found.split(" ") if found else not list(words(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("été", "é t é"),
        ("e\u0301te\u0301", "e\u0301 t e\u0301"),
        ("हिन्दी", "हि न्दी"),
        ("क्‍ष", "क्‍ष"),
        ("เมื่อน้ำเรียนตัว", "เมื่อ น้ำ เรีย น ตัว"),
        ("한국", "한 국"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "\u1112\u1161\u11ab \u1100\u116e\u11a8"),
        ("きゃっとー", "きゃっ とー"),
        ("שָׁל", "שָׁ ל"),
        ("👩‍❤️‍👨👍🏽🇩🇪🇫🇷1️⃣🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👩‍❤️‍👨 👍🏽 🇩🇪 🇫🇷 1️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
    ],
)
def test_clusters(text: str, found: str) -> None:
    assert clusters(text) == found.split(" ")


@pytest.mark.parametrize(
    ("form", "language", "text", "expected"),
    [
        (lower, "tr", "IŞIK İZMİR", "ışık izmir"),
        (lower, "en", "İZMİR ISLE", "izmir isle"),
        (lower, "el", "ΟΔΟΣ", "οδος"),
        (upper, "az", "iş ılıq", "İŞ ILIQ"),
        (upper, "de", "groß", "GROSS"),
        (upper, "el", "ρολόι μαΐου ή", "ΡΟΛΟΪ ΜΑΪΟΥ Ή"),
        (title, "nl", "ijs eten", "IJs Eten"),
        (title, "en", "it's o'clock", "It's O'clock"),
        (title, "el", "έλα", "Έλα"),
        (title, "tr", "izmir", "İzmir"),
    ],
)
def test_case_by_language(form, language: str, text: str, expected: str) -> None:
    assert form(text, language) == expected


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("ru", "Cyrillic"),
        ("sr-Latn", "Latin"),
        ("zh_TW", "Han"),
        ("pt-BR", "Latin"),
        ("ja", "Japanese"),
        ("sw", "Latin"),
    ],
)
def test_script_of_language(language: str, script: str) -> None:
    assert script_of_language(language) == script


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "Latin"),
        ("я", "Cyrillic"),
        ("ー", "Katakana"),
        ("々", "Han"),
        ("ｶ", "Katakana"),
        ("́", ""),
        ("5", ""),
        ("。", ""),
    ],
)
def test_script_of_character(character: str, script: str) -> None:
    assert script_of(character) == script


@pytest.mark.parametrize(("rate", "changed"), [(0.01, 1), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_rate_is_the_share_of_words(rate: float, changed: int) -> None:
    from random import Random

    before = "several farmers planted wheat behind large wooden houses".split(" ")
    after = Typos(Typos.Params(rate=rate)).changed(list(before), "en", Random(0), None)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == changed
