"""Rules that a word must obey to be writable in its script, whether or not it is a word of the language."""

from __future__ import annotations

import re

from .scripts import is_mark

_DEVANAGARI_CONSONANT = "[\u0915-\u0939\u0958-\u095f]\u093c?"
_SHAPES = {
    # Consonants joined by viramas, with one vowel sign, or an independent vowel; then nasalisation or visarga.
    "Devanagari": re.compile(
        f"(?:(?:(?:{_DEVANAGARI_CONSONANT}\u094d\u200d?)*{_DEVANAGARI_CONSONANT}(?:[\u093e-\u094c\u0962\u0963])?"
        "|[\u0904-\u0914\u0960\u0961\u0972])[\u0901-\u0903]?)+"
        f"(?:(?:{_DEVANAGARI_CONSONANT}\u094d)+)?"
    ),
    # A leading vowel, a consonant, a vowel above or below, a tone mark, a vowel behind; or a silenced consonant.
    "Thai": re.compile("(?:[เแโใไ]?[ก-ฮ](?:[ิุ]?์|[ัิีึืุู็]?[่้๊๋]?(?:า(?:ะ(?=$|[^ะาำ]))?|ะ|ำ)?)|ฤๅ?|ฦๅ?)+"),
    # Hiragana; katakana are looked at as hiragana. Small kana after their own kind, no っ before a long-vowel mark.
    "Kana": re.compile(
        "(?:(?:[きしちにひみりぎじぢびぴ][ゃゅょ]|[あ-んゔ](?<![ぁぃぅぇぉっゃゅょゎ])[ぁぃぅぇぉ]?)ー?|っ(?!$|ー|っ))+"
    ),
    # ة and ى stand at the end of a word only.
    "Arabic": re.compile("[^ةى]*.[\u064b-\u0652\u0670]*", re.DOTALL),
    # So do the final letters, and ς; and a word does not end in σ.
    "Hebrew": re.compile("[^ךםןףץ]*.[\u0591-\u05c7]*", re.DOTALL),
    "Greek": re.compile("[^ςΣ]*[^σ]", re.DOTALL),
}
_THREE_ALIKE = re.compile("(.)\\1\\1", re.DOTALL)


def well_formed(word: str, script: str) -> bool:
    """True if a word could be written in `script`: every mark on a base it can stand on, letters that have a place in
    the word in that place, and no letter three times in a row. True for words in scripts with no rule here."""
    if not word or is_mark(word[0]) or _THREE_ALIKE.search(word):
        return False
    if script in ("Hiragana", "Katakana"):
        return _SHAPES["Kana"].fullmatch(hiragana(word)) is not None
    if script == "Greek" and word.isupper():
        return True
    shape = _SHAPES.get(script)
    return shape is None or shape.fullmatch(word) is not None


def hiragana(word: str) -> str:
    """Katakana letters as hiragana; all else as it is."""
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヴ" else c for c in word)
