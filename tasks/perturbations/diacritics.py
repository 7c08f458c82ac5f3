"""Text without diacritics, as people type it who have no key for them or take no time for them."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence

from pydantic import Field

from xrobust.contracts import NotCovered, Parameters, PerturbationContext, PerturbationInfo

from .shared.deciding_words import decides
from .shared.graphemes import clusters
from .shared.scripts import base_language, script_of, script_of_language
from .shared.telling_marks import TOLD_APART_BY_MARKS, told_by_marks
from .shared.words import FormPerturbation, outside, words

_LETTERS = dict(
    zip("ıłđðøħŧæœßŋəþ", "i l d d o h t ae oe ss n e th".split(), strict=True),
)
"""Latin letters that Unicode does not take apart, in lower case -> the letters typed for them."""
_TRANSCRIBED = {
    "de": {"ä": "ae", "ö": "oe", "ü": "ue"},
    **{language: {"å": "aa", "ø": "oe"} for language in ("da", "nb", "nn", "no")},
}
"""Language -> letters that are written as two instead of losing their mark."""
_CYRILLIC = {"ru": {"ё": "е", "Ё": "Е"}, "bg": {"ѝ": "и", "Ѝ": "И"}, "mk": {"ѝ": "и", "Ѝ": "И", "ѐ": "е", "Ѐ": "Е"}}
_STRESS = frozenset("\u0300\u0301")
_HARAKAT = frozenset(map(chr, (*range(0x64B, 0x653), 0x670)))
_HAMZA = {"ar": {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا"}, "fa": {"أ": "ا", "ۀ": "ه"}, "ur": {"أ": "ا"}}
"""Language -> letters whose hamza or madda is left out. Persian and Urdu keep آ, which is a letter of its own there."""
_HINDI_NUKTA = frozenset("कखगजफ")
"""Letters whose nukta marks a sound of Persian or Arabic. That of ड़ and ढ़ marks one of Hindi, and is not dropped."""


class Diacritics(FormPerturbation):
    """Leaves out the diacritics that people leave out when they type without them, in the whole text.

    Latin: all marks, and ı ł đ ø ə and the like become their plain letters (so Vietnamese loses tones, vowel marks and
    the stroke of đ, Turkish the dots and the dotless ı); ß æ œ þ become two. German ä ö ü become ae oe ue, Danish and
    Norwegian å ø become aa oe, as is usual there; `transcribe=false` drops the marks instead. Greek: tonos, dialytika
    and the polytonic marks. Cyrillic: stress marks, and the dots of Russian ё, but never й, ї or ў, other letters that
    nobody drops. Arabic script: harakat, and hamza and madda on alif, the commonest omissions of Arabic writers
    (Zaghouani et al., LREC 2014). Hebrew: points. Hindi: the nukta of borrowed sounds (ज़ becomes ज), and the
    candrabindu, for which anusvara is written (हाँ becomes हां).

    In texts of the Latin and Greek alphabets, words that decide what a sentence says (`deciding_words.py`) keep their
    marks, without which many are others (él el, ή η), and so do words that would become one of them (mí mi). So do
    endings of person and tense, and more words that only marks tell apart (`telling_marks.py`: pasó paso, donné donne,
    öldü oldu, ѝ и). In other scripts they are ordinarily written without.

    Pairs of texts in Vietnamese and Yoruba are not covered: there most words would become others. In single texts and
    tokens their marks go, as when people type them without, and a reader restores them from context.

    What is left without its marks is the input of diacritics restoration (Náplava et al., LREC 2018, for the Latin
    alphabet). Not covered: scripts in which no mark is dropped, whatever Unicode calls it (Thai vowels and tones, kana
    voicing, other Indic vowel signs).
    """

    info = PerturbationInfo(
        name="diacritics",
        summary="accents, points and other diacritics left out, as people type without them",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Náplava et al., LREC 2018; Zaghouani et al., LREC 2014 (Arabic)",
        version=2,
    )

    class Params(Parameters):
        transcribe: bool = Field(
            default=True,
            description="ae oe ue for ä ö ü in German, aa oe for å ø in Danish and Norwegian; false: a o u",
        )

    params: Params

    def language_problem(self, language: str) -> str | None:
        script = script_of_language(language)
        if script in ("Latin", "Greek", "Cyrillic", "Arabic", "Hebrew") or base_language(language) == "hi":
            return None
        return f"nobody drops the marks of the {script} script"

    def prepare(self, ctx: PerturbationContext) -> None:
        if "text_pair" in ctx.task.columns and base_language(ctx.language) in TOLD_APART_BY_MARKS:
            raise NotCovered("most words would be others without their marks, and the label of a pair may be in one")

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        code = base_language(language)
        if tags is not None:
            return [self._without(part, code) for part in parts]
        return [outside(part, self._kept(part, code), lambda t: self._without(t, code)) for part in parts]

    def _kept(self, text: str, language: str) -> list[tuple[int, int]]:
        """Start and end of the words that keep their marks."""
        deciding = script_of_language(language) in ("Latin", "Greek")
        composed = ((word, unicodedata.normalize("NFC", word.text)) for word in words(text))
        return [
            (word.start, word.end)
            for word, form in composed
            if told_by_marks(form, language, transcribed=self.params.transcribe)
            or (deciding and (decides(form, language) or decides(self._without(form, language), language)))
        ]

    def _without(self, text: str, language: str) -> str:
        composed = unicodedata.normalize("NFC", text)
        pieces = clusters(composed)
        plain = "".join(
            self._plain(cluster, language, _shouted(before, after))
            for before, cluster, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False)
        )
        # A token that is nothing but marks stays, since tokens are not removed; so does one merely composed otherwise.
        return text if not plain.strip() or plain == composed else plain

    def _plain(self, cluster: str, language: str, shouted: bool) -> str:
        """A cluster without its marks. `shouted`: in a word in capitals, where Ü becomes UE and not Ue."""
        base, marks = cluster[0], cluster[1:]
        script = script_of(base)
        if script == "Latin":
            small = base.replace("İ", "i").lower()
            letters = _TRANSCRIBED.get(language, {}).get(small, "") if self.params.transcribe else ""
            letters = letters or "".join(_LETTERS.get(c, c) for c in _stripped(small))
            if shouted and (base.isupper() or len(letters) > 1):
                letters = letters.upper()
            elif base.isupper():
                letters = letters.capitalize()
            return letters + _unmarked(marks)
        if script == "Cyrillic":
            return _CYRILLIC.get(language, {}).get(base, base) + "".join(m for m in marks if m not in _STRESS)
        if script == "Arabic":
            bare = _HAMZA.get(language, {}).get(base, base)
            return bare + "".join(m for m in marks if m not in _HARAKAT and not (m == "\u0654" and language == "fa"))
        if script in ("Greek", "Hebrew"):
            return _stripped(base) + _unmarked(marks)
        if language == "hi" and script == "Devanagari":
            if base in _HINDI_NUKTA:
                cluster = cluster.replace("\u093c", "")
            return cluster.replace("\u0901", "\u0902")
        return cluster


def _shouted(before: str, after: str) -> bool:
    """True if a letter is of a word in capitals, by the letter after it, or at the end of a word the one before."""
    return after.isupper() if after.isalpha() else before.isupper()


def _stripped(letter: str) -> str:
    """A letter without the marks that it is composed with."""
    return _unmarked(unicodedata.normalize("NFD", letter))


def _unmarked(characters: str) -> str:
    """Removes combining marks."""
    return "".join(c for c in characters if unicodedata.category(c) != "Mn")
