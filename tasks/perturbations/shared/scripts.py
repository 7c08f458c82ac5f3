"""Which script a character is of, and which one a language is written in. Script names are Unicode's."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LANGUAGES = {
    "Arabic": "ar arz azb ckb fa glk mzn pnb ps sd ug ur",
    "Armenian": "hy",
    "Bengali": "as bn",
    "Cyrillic": "ab av ba be bg ce cv kk ky mk mn mhr myv os ru sah sr tg tt udm uk",
    "Devanagari": "bho hi mai mr ne new sa",
    "Ethiopic": "am ti",
    "Georgian": "ka xmf",
    "Greek": "el grc",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Han": "gan lzh wuu yue zh",
    "Hangul": "ko",
    "Hebrew": "he yi",
    "Japanese": "ja",
    "Kannada": "kn",
    "Khmer": "km",
    "Lao": "lo",
    "Malayalam": "ml",
    "Myanmar": "my",
    "Oriya": "or",
    "Sinhala": "si",
    "Tamil": "ta",
    "Telugu": "te",
    "Thai": "th",
    "Thaana": "dv",
    "Tibetan": "bo dz",
}
_SCRIPT_OF_LANGUAGE = {code: script for script, codes in _LANGUAGES.items() for code in codes.split()}
_SUBTAGS = {"arab": "Arabic", "cyrl": "Cyrillic", "deva": "Devanagari", "hans": "Han", "hant": "Han", "latn": "Latin"}
WITHOUT_SPACES = frozenset({"Han", "Hiragana", "Katakana", "Japanese", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan"})
"""Scripts whose words are not set apart by spaces."""


@lru_cache
def base_language(language: str) -> str:
    """The language of a code that may name a country or a script too: `pt-BR` -> `pt`."""
    return re.split("[-_]", language)[0].lower()


@lru_cache
def script_of_language(language: str) -> str:
    """The script a language is mostly written in; Japanese has a name of its own, for kana and Han together.

    A subtag in the code decides (`sr-Latn`). A language that is not known here is taken to be written in Latin.
    """
    _, *subtags = re.split("[-_]", language.lower())
    for subtag in subtags:
        if subtag in _SUBTAGS:
            return _SUBTAGS[subtag]
    return _SCRIPT_OF_LANGUAGE.get(base_language(language), "Latin")


def without_spaces(language: str) -> bool:
    """True if the language is written without spaces between words."""
    return script_of_language(language) in WITHOUT_SPACES


@lru_cache(maxsize=20_000)
def script_of(character: str) -> str:
    """The script of a letter or of a mark that has one, by its Unicode name; "" for anything else.

    Not `regex`'s `\\p{Script=...}`: to Unicode, the tatweel and the vowel signs of Arabic are of no script.
    """
    if character == "ー":  # U+30FC, of both kana
        return "Katakana"
    if character == "々":
        return "Han"
    if unicodedata.category(character)[0] not in "LM":
        return ""
    words = unicodedata.name(character, "").split()
    if len(words) > 1 and words[0] in ("FULLWIDTH", "HALFWIDTH"):
        words = words[1:]
    first = words[0] if words else ""
    return {"CJK": "Han", "COMBINING": "", "MODIFIER": ""}.get(first, first.capitalize())


def is_mark(character: str) -> bool:
    """True if a character only stands on another one: combining marks, and the signs that join or part letters."""
    return unicodedata.category(character)[0] == "M" or character in "\u200c\u200d"
