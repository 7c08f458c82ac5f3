"""Words that are other words, or other forms, when their marks are gone, by language.

The rules are of endings that tell person, tense, number or case (Spanish *pasó, paso*, French *donné, donne*, Polish
*chcę, chce*), and lists of short words that only a mark tells apart. Words of other kinds (Spanish *práctica,
practica*, French *pâte, pâté*) are not listed.
"""

from __future__ import annotations

import re

from .scripts import base_language

TOLD_APART_BY_MARKS = frozenset({"vi", "yo"})
"""Languages most of whose words are others without their marks, tones above all: Vietnamese and Yoruba."""
_SPANISH = (
    r"\w*(?:[áéíóú]s?|[áé]n|[íú][ao](?:s|n|mos)?)|a?dónde|cómo|cuál(?:es)?|cuán(?:do|t[oa]s?)|quién(?:es)?|aún|"
    r"sólo|é(?:st|s)[eao]s?|aquéll?[ao]?s?"
)
_PATTERNS = {
    "az": r"öl\w*|ön",
    "bg": "ѝ",
    "ca": r"\w*[àèéíòóú][sn]?|déu|dóna|sóc",
    "cs": r"\w*[áéěíóúůý]",
    "el": r"πού|πώς",
    "es": _SPANISH,
    "fr": r"\w*(?:à|ée?s?|[âîû]n?t)|dû|crû|mûrs?|sûr\w*|maïs|mâles?|tâches?|jeûnes?|dès|où",
    "gl": _SPANISH,
    "hu": r"\w*(?:[áéíóőúű]k?)|él\w*|fél\w*|még|kör|kór|én",
    "it": r"\w*[àèéìíòóù]",
    "mk": "ѝ|нѐ|сѐ",
    "nl": r"één",
    "pl": r"\w*[ąę]",
    "pt": r"\w*(?:[áéíóúâêôà]s?|[êé]m|ámos|êmos)|pôde|pôr|país|estão",
    "ro": r"\w*ă|în",
    "sk": r"\w*[áéíóúý]",
    "tr": r"öl\w*|ön|işe|tür[üe]?|yaş",
}
"""Language -> pattern of whole words, behind an elided word and its apostrophe, if any (French *jusqu'où*)."""
_UMLAUTS = r"(?:würd|hätt|könnt|müsst|dürft|wär|möcht|mütter|väter|brüder|töchter)\w*"
"""German, where umlauts are dropped and not transcribed: *würde* would, *wurde* became."""


def told_by_marks(word: str, language: str, *, transcribed: bool) -> bool:
    """True if a composed word (NFC), in any case, would be another or another form of itself without its marks.

    `transcribed`: German umlauts are written ae oe ue, so no word becomes another.
    """
    code = base_language(language)
    pattern = _UMLAUTS if code == "de" and not transcribed else _PATTERNS.get(code, "(?!)")
    return re.fullmatch(rf"(?:\w+['’])*(?:{pattern})", word, re.IGNORECASE) is not None
