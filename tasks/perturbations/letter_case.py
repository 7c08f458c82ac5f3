"""The capitals of a word, given to the word that takes its place."""

from __future__ import annotations

from xrobust.overlap import dots_its_capitals


def with_case_of(original: str, word: str, language: str) -> str:
    """`word`, which is in lower case, with capitals as `original` has them: ALL, or at the Beginning, or none."""
    if original.isupper() and sum(c.isalpha() for c in original) > 1:
        return _upper(word, language)
    if original[:1].isupper():
        return _upper(word[:1], language, title=True) + word[1:]
    return word


def _upper(word: str, language: str, title: bool = False) -> str:
    if dots_its_capitals(language):
        word = word.replace("i", "İ")  # the capital of ı is I anyway
    return word.title() if title else word.upper()
