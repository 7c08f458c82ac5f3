"""Slips in one word, by script: every result that one slip can have."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from .confusions import KANA_CONFUSIONS, KANA_SAME_SOUND, KANA_VOICED, han_confusions
from .deciding_words import keeps_deciding
from .graphemes import clusters
from .keyboards import KEYBOARDS, Keyboard, keyboard_for
from .letters import lower, upper
from .orthography import hiragana, well_formed
from .scripts import base_language, script_of
from .vietnamese import is_syllable

Slips = dict[str, list[str]]
"""Kind of slip (substitution, deletion, doubling, transposition) -> the forms that it can give the word."""
_KEY_BY_KEY = frozenset({"Devanagari", "Thai"})
"""Scripts whose vowel signs and tone marks have keys of their own and are letters to a typist."""
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_FIRST_OF_FINAL = dict(zip("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ", "ㄱㄴㄴㄹㄹㄹㄹㄹㄹㄹㅂ", strict=True))
"""Final clusters of two consonants, which are two keys -> the first."""
_SAME_VOWEL_SOUND = {"ㅙ": "ㅚㅞ", "ㅚ": "ㅙㅞ", "ㅞ": "ㅙㅚ", "ㅐ": "ㅔ", "ㅔ": "ㅐ", "ㅖ": "ㅔ"}
"""Vowels that speakers of today's Korean do not tell apart."""
_ARABIC_SPELLING = {"أ": "ا", "إ": "ا", "آ": "ا", "ة": "ه", "ى": "ي"}
"""Letters whose hamza, madda or dots are left out: the commonest spelling errors of Arabic in QALB (Zaghouani et al.,
LREC 2014)."""


def slips(word: str, language: str) -> Slips:
    """All forms that one slip makes of a word, by kind; a kind without any is left out.

    The first and the last letter stay, as in Pruthi et al. (ACL 2019): readers go by the one, and endings tell number,
    gender and person. Scripts whose characters are syllables or words have no such rule, and Arabic spelling slips
    are those of endings. Nothing comes out that cannot be written in the script (`well_formed`), and no word that
    decides what a sentence says (`keeps_deciding`). In Vietnamese, where nearly every possible syllable is a word, no
    syllable comes out.
    """
    word = unicodedata.normalize("NFC", word)
    script = script_of(word[0])
    if any(script_of(c) not in ("", script) for c in word):
        return {}
    if script == "Hangul":
        found = _hangul(word)
    elif script == "Han":
        found = {"substitution": list(_replacements(word, han_confusions(language)))}
    elif script in ("Hiragana", "Katakana"):
        found = _kana(word)
    elif (keyboard := keyboard_for(script, language)) is not None:
        found = _keys(word, script, keyboard, language)
    else:
        found = {}
    good = {
        kind: sorted(
            {
                form
                for form in forms
                if form != word
                and well_formed(form, script)
                and keeps_deciding(word, form, language)
                and not (base_language(language) == "vi" and is_syllable(form))
            }
        )
        for kind, forms in found.items()
    }
    return {kind: forms for kind, forms in good.items() if forms}


def _keys(word: str, script: str, keyboard: Keyboard, language: str) -> Slips:
    """Slips of the fingers on a keyboard, and in Arabic of spelling."""
    units = list(word) if script in _KEY_BY_KEY else _letters(word)
    if len(units) < 2 or not well_formed(word, script):
        return {}
    found: Slips = {"substitution": [], "deletion": [], "doubling": [], "transposition": []}
    for i in range(1, len(units)):
        before, unit, after = "".join(units[:i]), units[i], "".join(units[i + 1 :])
        base, marks = unit[0], unit[1:]
        if base_language(language) == "ar":
            found["substitution"] += [before + other + marks + after for other in _ARABIC_SPELLING.get(base, "")]
        if not after:
            break
        if unicodedata.category(base)[0] in "LM":
            found["substitution"] += [before + other + marks + after for other in _near(base, keyboard, language)]
            found["doubling"].append(before + unit + _without_dead_key(base, keyboard, language) + after)
        found["deletion"].append(before + after)
        following = units[i + 1]
        if i + 2 < len(units) and "\u200c" not in (unit, following):
            found["transposition"].append(before + following + unit + after[len(following) :])
    return found


def _letters(word: str) -> list[str]:
    """Letters with their marks; a joiner, which is a key of its own, apart."""
    return [piece for cluster in clusters(word) for piece in _around_joiner(cluster)]


def _around_joiner(cluster: str) -> list[str]:
    head, joiner, tail = cluster.partition("\u200c")
    return [piece for piece in (head, joiner, tail) if piece]


def _near(letter: str, keyboard: Keyboard, language: str) -> str:
    """Its neighbours, in its case."""
    small = lower(letter, language)
    near = keyboard.neighbors(small)
    if small == letter:
        return near
    return "".join(capital for n in near if len(capital := upper(n, language)) == 1)  # ß has none


def _without_dead_key(letter: str, keyboard: Keyboard, language: str) -> str:
    """Outcome of a key pressed once more: é typed with an accent key first becomes ée."""
    if lower(letter, language) in keyboard:
        return letter
    return unicodedata.normalize("NFD", letter)[0]


def _replacements(word: str, table: Mapping[str, str]) -> list[str]:
    """The word with one character replaced by one that the table gives for it, all ways."""
    return [word[:i] + other + word[i + 1 :] for i, c in enumerate(word) for other in table.get(c, "")]


def _kana(word: str) -> Slips:
    """Voicing marks, small and large kana, long vowels, sounds written in two ways, and kana that change places."""
    if len(word) == 1:
        return {"substitution": _replacements(word, KANA_VOICED if "ァ" <= word <= "ヶ" else KANA_SAME_SOUND)}
    found: Slips = {"substitution": _replacements(word, KANA_CONFUSIONS), "deletion": [], "doubling": []}
    found["transposition"] = [
        word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1) if "ー" not in word[i : i + 2]
    ]
    sounds = hiragana(word)
    small_tsu = "っ" if sounds == word else "ッ"
    for i in range(1, len(word)):
        if sounds[i] in "っー" or (sounds[i] == "う" and sounds[i - 1] in "おこそとのほもよろごぞどぼぽょゆゅ"):
            found["deletion"].append(word[:i] + word[i + 1 :])
        if sounds[i] in "かきくけこさしすせそたちつてとぱぴぷぺぽ" and sounds[i - 1] not in "っんー":
            found["doubling"].append(word[:i] + small_tsu + word[i:])  # a consonant key pressed twice
    return found


def _hangul(word: str) -> Slips:
    """Slips on the jamo of syllables; what comes out are whole syllables."""
    found: Slips = {"substitution": [], "deletion": [], "doubling": [], "transposition": []}
    keyboard = KEYBOARDS["kr"]

    def add(kind: str, i: int, *syllables: str) -> None:
        found[kind].append(word[:i] + "".join(syllables) + word[i + len(syllables) :])

    for i, character in enumerate(word):
        if (jamo := _jamo(character)) is None:
            continue
        initial, vowel, final = jamo
        if i > 0:
            for other in keyboard.neighbors(initial):
                add("substitution", i, _syllable(other, vowel, final))
        for other in keyboard.neighbors(vowel) + _SAME_VOWEL_SOUND.get(vowel, ""):
            add("substitution", i, _syllable(initial, other, final))
        if final != " ":
            for other in keyboard.neighbors(final):
                add("substitution", i, _syllable(initial, vowel, other))
            add("deletion", i, _syllable(initial, vowel, _FIRST_OF_FINAL.get(final, " ")))
        following = _jamo(word[i + 1]) if i + 1 < len(word) else None
        if following is not None and following[0] != "ㅇ" and final == " ":
            add("doubling", i, _syllable(initial, vowel, following[0]), word[i + 1])  # its initial typed twice
        if following is not None and final != " ":
            add("transposition", i, _syllable(initial, vowel, following[0]), _syllable(final, *following[1:]))
    for kind, forms in found.items():
        found[kind] = [form for form in forms if "?" not in form]
    return found


def _jamo(character: str) -> tuple[str, str, str] | None:
    """Initial, vowel and final (a space for none) of a syllable."""
    if not "가" <= character <= "힣":
        return None
    rest, final = divmod(ord(character) - ord("가"), len(_FINALS))
    initial, vowel = divmod(rest, len(_VOWELS))
    return _INITIALS[initial], _VOWELS[vowel], _FINALS[final]


def _syllable(initial: str, vowel: str, final: str) -> str:
    """The syllable, or "?" where a part cannot stand in its place."""
    if initial not in _INITIALS or vowel not in _VOWELS or final not in _FINALS:
        return "?"
    place = (_INITIALS.index(initial) * len(_VOWELS) + _VOWELS.index(vowel)) * len(_FINALS) + _FINALS.index(final)
    return chr(ord("가") + place)
