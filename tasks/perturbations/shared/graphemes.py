"""Grapheme clusters: what a reader takes for one letter, and what must not be torn apart."""

from __future__ import annotations

import unicodedata

import regex

from .scripts import is_mark, script_of

_PICTURE = regex.compile(r"\p{Extended_Pictographic}")
_JOINS_PICTURES = regex.compile(r"\p{Extended_Pictographic}\p{Grapheme_Cluster_Break=Extend}*\u200d$")
"""End of a cluster to which an emoji is joined (UAX 29, rule GB11)."""
_LEADING_VOWELS = frozenset("เแโใไເແໂໃໄ")
"""Thai and Lao vowels that are written before their consonant."""
_NEVER_FIRST = frozenset("ะาำๅะาຳຽ" + "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶー" + "ﾞﾟ")
"""Thai and Lao vowels written after their consonant, and kana that belong to the one before them."""
_VOWELS_WITH_A_LETTER = {"อ": "ื", "ย": "ี", "ว": "ั"}
"""Thai letters that end a vowel which began with a sign: เ-ือ, เ-ีย, -ัว."""


def clusters(text: str) -> list[str]:
    """The clusters of a text, in order; together they are the text.

    A base with its marks; in Indic scripts a whole conjunct (consonants joined by a virama); in Thai and Lao a vowel
    with its consonant, on whichever side it is written; a kana with the small kana or long-vowel mark after it; a
    Hangul syllable written in jamo; an emoji with all that is joined to it, its skin tone, its tags, and the two
    letters of a flag. It follows UAX 29 (extended grapheme clusters), and goes further for Thai, Lao and kana, where a
    break is not wrong by Unicode but by orthography. So `regex`'s `\\X` would not do, which also puts a mark that
    follows a space on the space.
    """
    found: list[str] = []
    for character in text:
        if found and _continues(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _continues(cluster: str, character: str) -> bool:
    last = cluster[-1]
    if last.isspace() or character.isspace():
        return False
    if is_mark(character) or _is_emoji_suffix(character):
        return True
    if _is_flag_letter(character):
        return len(cluster) == 1 and _is_flag_letter(cluster)
    if last == "\u200d" and _PICTURE.match(character):
        return _JOINS_PICTURES.search(cluster) is not None
    if character in _NEVER_FIRST and _same_writing(character, last):
        return True
    if (sign := _VOWELS_WITH_A_LETTER.get(character)) is not None and sign in cluster:
        return character != "ย" or cluster[0] == "เ"
    if last == "\u200d" or last in _LEADING_VOWELS:
        return unicodedata.category(character)[0] == "L"
    if is_virama(last) or (last == "\u200c" and len(cluster) > 1 and is_virama(cluster[-2])):
        return script_of(character) == script_of(cluster[0])
    return _is_later_jamo(character) and "\u1100" <= last <= "\u11ff"


def is_virama(character: str) -> bool:
    """True if a sign takes a consonant's vowel away, and joins it with the next (Thai's and Lao's join nothing)."""
    return unicodedata.combining(character) == 9 and script_of(character) not in ("Thai", "Lao")


def _is_emoji_suffix(character: str) -> bool:
    """True for the skin tones, and the tags of regional flags."""
    return "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f"


def _is_flag_letter(character: str) -> bool:
    """True for the regional indicators, two of which are a flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_later_jamo(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff"


def _same_writing(a: str, b: str) -> bool:
    """True if both are of one script; the two kana, which share the long-vowel mark, count as one."""
    kana = ("Hiragana", "Katakana")
    return script_of(a) == script_of(b) or (script_of(a) in kana and script_of(b) in kana)
