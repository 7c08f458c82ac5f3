"""Words that read as before and are cut into other pieces: invisible characters, look-alikes, other encodings."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from pydantic import Field

from xrobust.contracts import PerturbationInfo

from .shared.graphemes import clusters
from .shared.scripts import base_language, script_of
from .shared.words import WordPerturbation

_ZERO_WIDTH_SPACE, _SOFT_HYPHEN, _GRAPHEME_JOINER, _TATWEEL = "\u200b", "\u00ad", "\u034f", "\u0640"
_VARIATION_SELECTOR = "\U000e0100"
"""The first of those that ask for a variant of a Han character (IVS); where a font has none, it shows nothing."""
_CYRILLIC_FOR_LATIN = dict(zip("aceijopsxyABCEHIJKMOPSTX", "асеіјорѕхуАВСЕНІЈКМОРЅТХ", strict=True))
_HAN_FOR_KATAKANA = dict(zip("ニロカタトエハ", "二口力夕卜工八", strict=True))
_LOOKALIKES: dict[str, dict[str, str]] = {
    "Latin": _CYRILLIC_FOR_LATIN,
    "Cyrillic": {cyrillic: latin for latin, cyrillic in _CYRILLIC_FOR_LATIN.items()},
    "Greek": dict(zip("οόνΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oóvABEZHIKMNOPTYX", strict=True)),
    "Hebrew": {"וו": "װ", "וי": "ױ", "יי": "ײ"},
    "Devanagari": {"आ": "अा", "ओ": "अो", "औ": "अौ", "ऑ": "अॉ"},
    "Thai": {"แ": "เเ", **{f"{tone}ำ": f"ํ{tone}า" for tone in "่้๊๋"}},
    "Katakana": {**_HAN_FOR_KATAKANA, **dict(zip("ヘベペ", "へべぺ", strict=True))},
    "Hiragana": dict(zip("へべぺ", "ヘベペ", strict=True)),
    "Han": {han: kana for kana, han in _HAN_FOR_KATAKANA.items()},
}
"""Script -> letters and others, of the same or of another script, that look the same."""
_WITH_SOFT_HYPHENS = frozenset({"Latin", "Cyrillic", "Greek"})
_ARABIC_FOR_PERSIAN = {"ی": "ي", "ک": "ك"}
_PERSIAN_FOR_ARABIC = {"ي": "ی", "ك": "ک"}
_NOT_JOINED_TO_THE_NEXT = frozenset("اأإآٱدذرزژڈڑوؤةىءے")
_HALF_WIDTH = {unicodedata.normalize("NFKC", chr(c)): chr(c) for c in range(0xFF66, 0xFF9E)}
_HALF_WIDTH_MARKS = {"\u3099": "ﾞ", "\u309a": "ﾟ"}


class Tokenization(WordPerturbation):
    """Changes the characters of a share of the words so that a person reads the same and a tokenizer does not.

    The imperceptible changes of Boucher et al. (IEEE S&P 2022), of those the ones that occur in found text too. Many
    a change is undone before a model sees it: XLM-R's normaliser (nmt_nfkc) composes what is decomposed and makes
    full- and half-width characters ordinary; mBERT's drops format characters (zero-width space, soft hyphen). So each
    word gets a change, or two together, of which something is left for both:

    - one letter by a look-alike: Latin, Cyrillic and Greek letters of each other, katakana and Han (ニ 二), Devanagari
      अ with a vowel sign for the vowel आ, Thai เเ for แ and its sara am in two parts, Yiddish digraphs in Hebrew;
    - Arabic script: a tatweel between joined letters; Arabic ي ك for Persian ی ک and the reverse, where they look the
      same;
    - Han: a variation selector behind a character;
    - letters and accents, jamo or voicing marks apart (NFD), or half-width katakana (left for mBERT), together with a
      zero-width space or, in European scripts, a soft hyphen (left for XLM-R);
    - where nothing of that is possible: a combining grapheme joiner, an invisible mark that neither undoes.

    To mBERT, whose vocabulary has none of the invisible marks and few jamo, a word with one is unknown: that is nearly
    every changed word in Hebrew, Indic scripts, Thai, Korean, Japanese and Chinese, and few in the others. XLM-R cuts
    it in pieces that it knows.

    Invisible characters stand between grapheme clusters, never within one.
    """

    info = PerturbationInfo(
        name="tokenization",
        summary="words that read the same and are cut differently: look-alikes, invisible characters, encodings",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Boucher et al., IEEE S&P 2022",
    )

    class Params(WordPerturbation.Params):
        rate: float = Field(default=0.3, gt=0, le=1, description="share of words that are changed; at least one is")

    def change(self, word: str, language: str, rng: random.Random) -> str | None:
        script = script_of(word[0])
        ways = [way for way in (_lookalikes, _arabic, _variants, _apart) if any(way(word, script, language))]
        way = rng.choice(ways) if ways else _joined
        return rng.choice(list(way(word, script, language)))


def _lookalikes(word: str, script: str, language: str) -> Iterator[str]:
    """A letter, or two, replaced by what looks the same."""
    table = _LOOKALIKES.get(script, {})
    for letters, others in table.items():
        for i in range(len(word)):
            if word.startswith(letters, i):
                yield word[:i] + others + word[i + len(letters) :]


def _arabic(word: str, script: str, language: str) -> Iterator[str]:
    """A tatweel where letters join, lam and alif excepted, whose ligature it would break; or a letter of the other
    alphabet, yeh only where it is joined to the next letter: at the end it has dots in one and none in the other."""
    if script != "Arabic":
        return
    table = _PERSIAN_FOR_ARABIC if base_language(language) == "ar" else _ARABIC_FOR_PERSIAN
    pieces = clusters(word)
    for i in range(len(pieces)):
        before, this, after = "".join(pieces[:i]), pieces[i], "".join(pieces[i + 1 :])
        joins = bool(after) and this[0] not in _NOT_JOINED_TO_THE_NEXT and this[-1] != "\u200c" and after[0] != "ء"
        if joins and script_of(after[0]) == script and not (this[0] == "ل" and after[0] in "اأإآٱ"):
            yield before + this + _TATWEEL + after
        if this[0] in table and (joins or this[0] in "كک"):
            yield before + table[this[0]] + this[1:] + after


def _variants(word: str, script: str, language: str) -> Iterator[str]:
    """A variation selector behind a Han character."""
    if script == "Han":
        for i in range(1, len(word) + 1):
            yield word[:i] + _VARIATION_SELECTOR + word[i:]


def _apart(word: str, script: str, language: str) -> Iterator[str]:
    """Letters in another encoding, and an invisible space between two of them."""
    forms = [unicodedata.normalize("NFD", word)]
    if script == "Katakana":
        forms.append(_half_width(word))
    spaces = (_ZERO_WIDTH_SPACE, _SOFT_HYPHEN) if script in _WITH_SOFT_HYPHENS else (_ZERO_WIDTH_SPACE,)
    for form in forms:
        if form != word:
            yield from (way for space in spaces for way in _with_inside(form, space))


def _joined(word: str, script: str, language: str) -> Iterator[str]:
    """A combining grapheme joiner between two clusters, or behind the only one."""
    inside = list(_with_inside(word, _GRAPHEME_JOINER))
    yield from inside or [word + _GRAPHEME_JOINER]


def _with_inside(word: str, character: str) -> Iterator[str]:
    pieces = clusters(word)
    for i in range(1, len(pieces)):
        if pieces[i - 1][-1] not in "\u200c\u200d":  # two invisible ones are one
            yield "".join(pieces[:i]) + character + "".join(pieces[i:])


def _half_width(word: str) -> str:
    return "".join(_HALF_WIDTH.get(c) or _HALF_WIDTH_MARKS.get(c, c) for c in unicodedata.normalize("NFD", word))
