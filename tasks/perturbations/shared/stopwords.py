"""Words too common to carry a topic."""

from __future__ import annotations

from .scripts import base_language


def stopwords(language: str) -> frozenset[str]:
    """The lower-cased stopwords of a language (ISO 639-1), of the collection Stopwords ISO, which the paper uses.

    It has lists of 58 languages. For any other none is excluded: the set is empty.
    """
    import stopwordsiso

    return frozenset(word.lower() for word in stopwordsiso.stopwords(base_language(language)))
