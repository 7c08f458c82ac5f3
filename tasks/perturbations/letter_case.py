"""The capitals of a word, given to the word that takes its place."""

from __future__ import annotations

from .letters import title, upper


def with_case_of(original: str, word: str, language: str) -> str:
    """`word`, which is in lower case, with capitals as `original` has them: ALL, or at the Beginning, or none."""
    if original.isupper() and sum(c.isalpha() for c in original) > 1:
        return upper(word, language)
    return title(word, language) if original[:1].isupper() else word
