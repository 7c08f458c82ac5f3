"""The capitals of a word, given to the word that takes its place."""

from __future__ import annotations

import unicodedata

from xrobust.overlap import base_language, dots_its_capitals

ACUTE = "\u0301"


def with_case_of(original: str, word: str, language: str) -> str:
    """`word`, which is in lower case, with capitals as `original` has them: ALL, or at the Beginning, or none."""
    if original.isupper() and sum(c.isalpha() for c in original) > 1:
        return _upper(word, language)
    if original[:1].isupper():
        return _with_dots(word[:1], language).title() + word[1:]
    return word


def _upper(word: str, language: str) -> str:
    if base_language(language) == "el":  # a word all in capitals carries no accent in Greek
        word = unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).replace(ACUTE, ""))
    return _with_dots(word, language).upper()


def _with_dots(word: str, language: str) -> str:
    """`word` with its i as the capital that it becomes; that of ı is I in any language."""
    return word.replace("i", "İ") if dots_its_capitals(language) else word
