"""Typing errors: slips of the fingers on the keyboard of the language, and of choice where writing is choosing."""

from __future__ import annotations

import random

from xrobust.contracts import PerturbationInfo

from .shared.keyboards import keyboard_for
from .shared.scripts import script_of_language
from .shared.slips import slips
from .shared.words import WordPerturbation


class Typos(WordPerturbation):
    """One slip in each of a share of the words.

    Where letters are typed (Latin, Cyrillic, Greek, Arabic, Hebrew, Devanagari, Thai, Georgian): a letter replaced by
    one on a neighbouring key of the layout most used for the language, left out, doubled, or two that change places;
    errors of the keyboard as in Belinkov & Bisk (ICLR 2018) and Pruthi et al. (ACL 2019). The first and the last letter
    stay, as in Pruthi et al. Vowel signs and tone marks of Devanagari and Thai are keys of their own; points and
    harakat go with their letter. Hangul: the same on the jamo of the two-set keyboard, put together again to whole
    syllables. Kana: voicing, small kana, long vowels. Han: a character that sounds or looks alike (`confusions.py`).
    Each kind of slip that a word allows is as likely as another.

    Numbers, words with digits, addresses and words of one or two letters stay; in texts also words that decide what a
    sentence says (`deciding_words.py`): negation, pronouns, numbers, quantities. No slip makes one of these. Forms of
    the commonest verbs (Arabic, English, French, German, Hindi, Spanish) are neither changed nor made, in tokens
    neither, and in Vietnamese no syllable is made. What cannot be written in the script (a mark without its base, a
    final letter inside a word, three letters alike) never comes out; that the outcome may be another word of the
    language cannot be excluded, as in life.

    The default rate is ours: one word in ten, which leaves text that anybody reads without effort.
    """

    info = PerturbationInfo(
        name="typos",
        summary="typing errors: neighbouring keys, letters left out, doubled or swapped; by script and layout",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Belinkov & Bisk, ICLR 2018; Pruthi et al., ACL 2019; Liu et al., ACM TALIP 2011 (Han)",
        version=2,
    )
    leaves_deciding_words = True

    def language_problem(self, language: str) -> str | None:
        script = script_of_language(language)
        if script in ("Hangul", "Japanese", "Han") or keyboard_for(script, language) is not None:
            return None
        return f"there is no keyboard layout for the {script} script"

    def change(self, word: str, language: str, rng: random.Random) -> str | None:
        options = slips(word, language)
        return rng.choice(options[rng.choice(sorted(options))]) if options else None
