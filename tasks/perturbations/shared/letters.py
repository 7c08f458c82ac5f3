"""Upper and lower case by language, where Python's are for no language in particular (Unicode, SpecialCasing.txt)."""

from __future__ import annotations

import re
import unicodedata

from .scripts import base_language

_WORD = re.compile(r"[^\W\d_](?:[^\s\d_-]*[^\W\d_])?")
"""From a word's first letter to its last: apostrophes and marks inside."""
_DOTTED_I = frozenset({"tr", "az"})
_GREEK_ACCENTS = str.maketrans(dict.fromkeys("\u0300\u0301\u0313\u0314\u0342\u0345"))
_GREEK_HIATUS = re.compile("([αεοΑΕΟ]\u0301)([ιυΙΥ])(?!\u0308)")


def lower(text: str, language: str) -> str:
    """`text` in lower case: in Turkish and Azerbaijani I becomes ı; İ becomes i everywhere."""
    if base_language(language) in _DOTTED_I:
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()


def upper(text: str, language: str) -> str:
    """`text` in upper case: in Turkish and Azerbaijani i becomes İ; Greek loses its accents, as it is written.

    The Greek rule keeps what the accent told: άι becomes ΑΪ; and the word ή keeps it, to differ from the article Η.
    """
    code = base_language(language)
    if code in _DOTTED_I:
        text = text.replace("i", "İ")
    if code == "el":
        text = re.sub(r"\b[^\W\d_]+\b", lambda m: _greek_capitals(m[0]), unicodedata.normalize("NFC", text))
    return text.upper()


def title(text: str, language: str) -> str:
    """`text` with a capital at the beginning of each word, the rest as it is; in Dutch ij is one letter."""
    return _WORD.sub(lambda word: _titled(word[0], language), text)


def _titled(word: str, language: str) -> str:
    first = 2 if base_language(language) == "nl" and word.startswith("ij") else 1
    # Of one letter Greek keeps the accent, and letters whose capitals are two (ß, ligatures) get one.
    rules = language if base_language(language) in _DOTTED_I else ""
    capital = upper(word[:first], rules)
    return (capital if len(capital) == first else word[:first].title()) + word[first:]


def _greek_capitals(word: str) -> str:
    if word in ("ή", "Ή"):
        return "Ή"
    parts = _GREEK_HIATUS.sub("\\1\\2\u0308", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", parts.translate(_GREEK_ACCENTS)).upper()


def with_case_of(original: str, word: str, language: str) -> str:
    """`word`, which is in lower case, with capitals as `original` has them: ALL, or at the Beginning, or none."""
    if original.isupper() and sum(c.isalpha() for c in original) > 1:
        return upper(word, language)
    return title(word, language) if original[:1].isupper() else word
