"""The form of Vietnamese syllables, by which a slip that makes another word is told from one that makes none."""

from __future__ import annotations

import re
import unicodedata

_TONES = str.maketrans(dict.fromkeys("\u0300\u0301\u0303\u0309\u0323"))
_ONSETS = "b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x".split()
_NUCLEI = (
    "a ă â e ê i o ô ơ u ư y ai ao au ay âu ây eo êu ia iê iêu iu oa oai oao oay oă oe oeo oi oo ôi ơi ua ui uy uya "
    "uyê uyu uâ uây uê uô uôi uơ ưa ưi ươ ươi ươu ưu yê yêu"
).split()
_CODAS = "c ch m n ng nh p t".split()
_SYLLABLE = re.compile(f"(?:{'|'.join(_ONSETS)})?(?:{'|'.join(_NUCLEI)})(?:{'|'.join(_CODAS)})?")


def is_syllable(text: str) -> bool:
    """True if `text`, in any case, has the form of a Vietnamese syllable, in use or not, whatever its tone."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.lower()).translate(_TONES))
    return _SYLLABLE.fullmatch(plain) is not None
