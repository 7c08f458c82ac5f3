"""Keyboard layouts, and which keys lie side by side.

The rows are those of xkeyboard-config, the layouts of X11 and Wayland (files `symbols/us`, `de`, `fr`, ...), which
follow the national standards: `in` is InScript (IS 16350), `th` Kedmanee (TIS 820-2538), `il` SI 1452, `pk` CRULP,
`ir` ISIRI 9147, `kr` 2-beolsik (KS X 5002). Only letters are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

from .scripts import base_language

_ROW_STARTS = (0.0, 1.5, 1.75, 1.25)
"""Offset of the first key of each row, in key widths, on the staggered keyboards of ISO/IEC 9995: the number row
from the key left of 1, the top row from Q, the home row from A, the bottom row from the key left of Z."""
_REACH = 0.75
"""Keys of neighbouring rows are neighbours up to this distance: A touches Q, W and Z."""


class Keyboard:
    """A layout: four rows without shift, and optionally four with it; a space stands for a key without a letter.

    Letters with two cases are given once, in lower case.
    """

    def __init__(self, rows: tuple[str, str, str, str], shifted: tuple[str, str, str, str] | None = None) -> None:
        self.rows = rows
        self.shifted = shifted

    def neighbors(self, letter: str) -> str:
        """The letters that a finger beside the right key would type; where letters lie on both levels of a key, also
        the one that a wrong shift gives. Sorted; empty for what the keyboard does not have."""
        return self._neighbors.get(letter, "")

    def __contains__(self, letter: str) -> bool:
        """True if the letter has a key."""
        return letter in self._neighbors

    @property
    def letters(self) -> frozenset[str]:
        """All letters and marks that have a key."""
        return frozenset(self._neighbors)

    @cached_property
    def _neighbors(self) -> dict[str, str]:
        levels = [list(_places(self.rows))]
        if self.shifted is not None:
            levels.append(list(_places(self.shifted)))
        near: dict[str, set[str]] = {letter: set() for level in levels for letter, _, _ in level}
        for level in levels:
            for a, row_a, x_a in level:
                for b, row_b, x_b in level:
                    if a != b and (abs(x_a - x_b) == 1 if row_a == row_b else _close(row_a, row_b, x_a - x_b)):
                        near[a].add(b)
        if self.shifted is not None:
            by_key = {(row, x): letter for letter, row, x in levels[0]}
            for letter, row, x in levels[1]:
                if (row, x) in by_key:
                    near[letter].add(by_key[row, x])
                    near[by_key[row, x]].add(letter)
        return {letter: "".join(sorted(found)) for letter, found in near.items()}


def _places(rows: tuple[str, ...]) -> Iterator[tuple[str, int, float]]:
    for row, (keys, start) in enumerate(zip(rows, _ROW_STARTS, strict=True)):
        for column, key in enumerate(keys):
            if key != " ":
                yield key, row, start + column


def _close(row_a: int, row_b: int, distance: float) -> bool:
    return abs(row_a - row_b) == 1 and abs(distance) <= _REACH


KEYBOARDS = {
    # Latin
    "us": Keyboard(("", "qwertyuiop", "asdfghjkl", " zxcvbnm")),
    "az": Keyboard(("", "qüertyuiopöğ", "asdfghjklıə", " zxcvbnmçş")),
    "br": Keyboard(("", "qwertyuiop", "asdfghjklç", " zxcvbnm")),
    "cz": Keyboard(("  ěščřžýáíé", "qwertzuiopú", "asdfghjklů", " yxcvbnm")),
    "de": Keyboard(("           ß", "qwertzuiopü", "asdfghjklöä", " yxcvbnm")),
    "dk": Keyboard(("", "qwertyuiopå", "asdfghjklæø", " zxcvbnm")),
    "ee": Keyboard(("", "qwertyuiopüõ", "asdfghjklöä", " zxcvbnm")),
    "es": Keyboard(("", "qwertyuiop", "asdfghjklñ ç", " zxcvbnm")),
    "fr": Keyboard(("  é    è çà", "azertyuiop", "qsdfghjklmù", " wxcvbn")),
    "hr": Keyboard(("", "qwertzuiopšđ", "asdfghjklčćž", " yxcvbnm")),
    "hu": Keyboard(("          öüó", "qwertzuiopőú", "asdfghjkléáű", "íyxcvbnm")),
    "is": Keyboard(("           ö", "qwertyuiopð", "asdfghjklæ", " zxcvbnm  þ")),
    "it": Keyboard(("            ì", "qwertyuiopè", "asdfghjklòàù", " zxcvbnm")),
    "no": Keyboard(("", "qwertyuiopå", "asdfghjkløæ", " zxcvbnm")),
    "se": Keyboard(("", "qwertyuiopå", "asdfghjklöä", " zxcvbnm")),
    "sk": Keyboard(("  ľščťžýáíé", "qwertzuiopúä", "asdfghjklô ň", " yxcvbnm")),
    "tr": Keyboard(("", "qwertyuıopğü", "asdfghjklşi", " zxcvbnmöç")),
    # Cyrillic
    "ru": Keyboard(("ё", "йцукенгшщзхъ", "фывапролджэ", " ячсмитьбю")),
    "bg": Keyboard(("", " уеишщксдзц", "ьяаожгтнвмч", " юйъэфхпрлб")),
    "by": Keyboard(("ё", "йцукенгшўзх", "фывапролджэ", " ячсмітьбю")),
    "kz": Keyboard(("  әіңғ  үұқөһ", "йцукенгшщзхъ", "фывапролджэ", " ячсмитьбю")),
    "mk": Keyboard(("", "љњертѕуиопшѓ", "асдфгхјклчќж", " зџцвбнм")),
    "rs": Keyboard(("", "љњертзуиопшђ", "асдфгхјклчћж", "  џцвбнм")),
    "ua": Keyboard(("", "йцукенгшщзхї", "фівапролджєґ", " ячсмитьбю")),
    # Greek. The key of Q has no letter.
    "gr": Keyboard(("", " ςερτυθιοπ", "ασδφγηξκλ", " ζχψωβνμ")),
    # Hebrew
    "il": Keyboard(("", "  קראטוןםפ", "שדגכעיחלךף", " זסבהנמצתץ")),
    # Arabic script
    "ara": Keyboard(
        ("ذ", "ضصثقفغعهخحجد", "شسيبلاتنمكط", " ئءؤر ىةوزظ"),
        ("", "     إ", "     أ", "      آ"),
    ),
    "ir": Keyboard(
        ("", "ضصثقفغعهخحجچ", "شسیبلاتنمکگ", " ظطزرذدپو"),
        ("", "", "ؤئ إأآ", "   ژ   ء"),
    ),
    "pk": Keyboard(
        ("", "قوعرتےءیہپ", "اسدفگحجکل", " زشچطبنم"),
        ("", " ؤ ڑٹ ئ ۃ", "آصڈ غھضخ", " ذژثظ ں"),
    ),
    # Devanagari
    "in": Keyboard(
        ("            ृ", "ौैाीूबहगदजड़", "ोे्िुपरकतचटॉ", "  ंमनवलस  य"),
        ("            ऋ", "औऐआईऊभङघधझढञ", "ओएअइउफ खथछठऑ", "  ँण  ळशष"),
    ),
    # Thai. The signs of repetition and abbreviation are left out, which are no letters.
    "th": Keyboard(
        ("    ภถุึคตจขช", " ไำพะัีรนยบล", "ฟหกดเ้่าสวงฃ", " ผปแอิืทมใฝ"),
        ("      ู", "  ฎฑธํ๊ณ ญฐ", "ฤฆฏโฌ็๋ษศซ ฅ", "   ฉฮ ์ ฒฬฦ"),
    ),
    # Korean
    "kr": Keyboard(
        ("", "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", " ㅋㅌㅊㅍㅠㅜㅡ"),
        ("", "ㅃㅉㄸㄲㅆ   ㅒㅖ", "", ""),
    ),
    # Georgian
    "ge": Keyboard(
        ("", "ქწერტყუიოპ", "ასდფგჰჯკლ", " ზხცვბნმ"),
        ("", " ჭ ღთ", " შ    ჟ", " ძ ჩ"),
    ),
}

_OF_LANGUAGE = {
    "Latin": "az:az cz:cs de:de dk:da,fo ee:et es:es,ca,gl,eu,ast,an fr:fr,br,oc hr:hr,sl,bs,sr hu:hu is:is "
    "it:it,scn no:no,nb,nn br:pt se:sv,fi sk:sk tr:tr",
    "Cyrillic": "bg:bg by:be kz:kk mk:mk rs:sr ua:uk",
    "Arabic": "ir:fa pk:ur",
}
_DEFAULT = {
    "Latin": "us",
    "Cyrillic": "ru",
    "Greek": "gr",
    "Hebrew": "il",
    "Arabic": "ara",
    "Devanagari": "in",
    "Thai": "th",
    "Georgian": "ge",
}


@lru_cache
def keyboard_for(script: str, language: str) -> Keyboard | None:
    """The keyboard that people who write `language` type `script` on, or None. A language without a layout of its own
    here gets the one most used for the script: US for Latin, Russian for Cyrillic, Arabic (101) for Arabic."""
    layouts = dict(pair.split(":") for pair in _OF_LANGUAGE.get(script, "").split())
    for name, languages in layouts.items():
        if base_language(language) in languages.split(","):
            return KEYBOARDS[name]
    return KEYBOARDS[_DEFAULT[script]] if script in _DEFAULT else None
