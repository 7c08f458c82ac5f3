"""Punctuation left out, or written with other marks of the same function."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import Field

from xrobust.contracts import Parameters, PerturbationInfo

from .shared.scripts import base_language, script_of_language
from .shared.words import FormPerturbation

# Marks to leave out. Those of scripts with spaces count where a word ends, so that 3.5, 15:30 and e.g. keep theirs.
_QUOTES_WITH_A_SPACE = re.compile(r"(?<!\S)«\s+|\s+»(?!\w)|\s+\"(?!\S)")
_QUOTES_AND_OPENING = re.compile(
    r"[¡«»„“”「」『』《》〈〉]|(?<!\S)\"|(?<=[^\s\d])\"(?![^\W\d_])|(?<=\s[בהוכלמש])\"(?=[א-ת]{2})"
)
_AT_WORD_END = re.compile(r"\s*(?:(?<!\.\w)\.|[,;:!…·،؛۔।॥։])+(?!\S)")
_AT_GREEK_WORD_END = re.compile(_AT_WORD_END.pattern.replace(";", ""))
"""In Greek ; is the question mark."""
_DASH_ALONE = re.compile(r"\s+(?:-{1,3}|[–—])(?=\s)(?!\s+\d)")
_ARABIC = re.compile(r"\s*[،؛۔]+\s*")
_WIDE = re.compile(r"\s*[、，；：。！．…｡､—]+\s*")
_ORDINAL_DOTS = frozenset("bs cs da de et eu fi hr hu is lv nb nn no pl sk sl sr tr".split())
"""Languages that write ordinal numbers with a full stop."""


@dataclass(frozen=True)
class Marks:
    """A function of punctuation, and the ways to write it."""

    regex: str
    variants: tuple[tuple[str, ...], ...]
    """Ways to write it: each a mark, or an opening and a closing one."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Regular expression of the marks, compiled lazily: there are dozens, and `xrobust list` needs none."""
        return re.compile(self.regex)


def _marks(pattern: str, *variants: str) -> Marks:
    return Marks(pattern, tuple(tuple(variant.split()) for variant in variants))


_QUOTES = r"``|''|[“”„«»「」]|(?<![^\W_])\"|(?<=[^\s\d])\"(?![^\W\d_])"
_DASH = _marks(r"(?<!\S)(?:--|[-–—])(?!\S)", "-", "–", "—")
_DOTS = _marks(r"…|\.{3}", "…", "...")
_SPACED = (_DASH, _DOTS)
_WIDTHS = tuple(
    _marks(rf"{re.escape(wide)}|(?<![\x00-\x7f]){re.escape(narrow)}", wide, narrow)
    for wide, narrow in zip("，！？：；（）", ",!?:;()", strict=True)
)
_BY_SCRIPT = {
    "Arabic": (
        _marks(_QUOTES, '" "', "« »", "“ ”"),
        _marks(r"،|(?<!\d),(?!\d)", "،", ","),
        _marks(r"؛|;", "؛", ";"),
        _marks(r"؟|\?", "؟", "?"),
        *_SPACED,
    ),
    "Hebrew": (
        # Gershayim stand in acronyms; a quotation mark after a letter is one after a prefix: ב"הארץ".
        _marks(r"(?<=[א-ת])(?:(?<!\s[בהוכלמש])|(?=.[א-ת](?![א-ת])))[״\"](?=[א-ת])", "״", '"'),
        _marks(rf"{_QUOTES}|(?<=\s[בהוכלמש])\"(?=[א-ת]{{2}})", '" "', "“ ”", "„ ”"),
        _marks(r"(?<=[א-ת])[׳'’]", "׳", "'"),
        _marks(r"(?<=[א-ת])[־-](?=[א-ת])", "־", "-"),
        *_SPACED,
    ),
    "Devanagari": (_marks(_QUOTES, '" "', "“ ”"), _marks(r"।|\|", "।", "|", "."), *_SPACED),
    "Han": (
        _marks(_QUOTES, '" "', "“ ”", "「 」"),
        _marks(r"…+|\.{3,}", "……", "..."),
        _marks(r"—+", "——", "—", "--"),
        _marks(r"。|｡", "。", "."),
        *_WIDTHS,
    ),
    "Japanese": (
        _marks(_QUOTES, "「 」", "『 』", '" "', "“ ”"),
        _marks(r"…+|・{3,}|\.{3,}", "……", "・・・", "..."),
        _marks(r"、|，", "、", "，"),
        _marks(r"。|．", "。", "．"),
        *_WIDTHS[1:],
    ),
    "Hangul": (_marks(_QUOTES, '" "', "“ ”", "「 」"), _marks(r"(?<=\w)·(?=\w)|ㆍ", "·", "ㆍ"), *_SPACED),
    "Thai": (_marks(_QUOTES, '" "', "“ ”"), *_SPACED),
}
_ELSEWHERE = (
    _marks(_QUOTES, '" "', "“ ”", "« »", "„ “"),
    _marks(r"(?<=[^\W\d_])['’ʼ](?=[^\W\d_])", "'", "’"),
    *_SPACED,
)
_URDU = (_marks(r"۔|\.(?!\S)", "۔", "."),)


class Punctuation(FormPerturbation):
    """Leaves punctuation out of texts, or writes it another way: whole texts alike, as one person writes.

    edit=drop (texts only): the marks at the ends of sentences and inside them, quotation marks and dashes go, as in
    messages; between Chinese and Japanese words a space stands in their place. What belongs to a word or a number
    stays (3.5, 15:30, don't, U.S., German 5. Mai), what parts two numbers too (2001, 300; 3 - 2), and so do brackets
    and question marks: in many languages nothing else tells a question from a statement.

    edit=vary, and always for tokens that come split, since none may go: each mark becomes another one of the same
    function, as other keyboards, houses and countries have it: quotation marks (" “ « „ 「), dashes, the ellipsis,
    apostrophes (texts only), and by script: Arabic ، ؛ ؟ and the Urdu full stop against the Latin ones, the danda
    against a bar or a full stop, Hebrew gershayim and maqaf, Chinese full and half width, Japanese 、。 against ，．.
    Of each function one variant is drawn for an example, among those that differ from the first mark found.

    Half and full width are one to XLM-R's NFKC, but not to mBERT; nearly everything else differs for both. On English
    inference BERT ignores changes of punctuation that do not matter (Ek, Bernardy & Chatzikyriakidis, PaM 2020).
    """

    info = PerturbationInfo(
        name="punctuation",
        summary="punctuation left out, or written with other marks of the same function",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Ek et al., PaM 2020",
        version=2,
    )

    class Params(Parameters):
        edit: Literal["drop", "vary"] = Field(
            default="drop",
            description="drop: leave marks out of texts (tokens are varied all the same); vary: write others",
        )

    params: Params

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        if tags is None and self.params.edit == "drop":
            return [_dropped(part, base_language(language)) for part in parts]
        marks = _BY_SCRIPT.get(script_of_language(language), _ELSEWHERE)
        if base_language(language) == "ur":
            marks += _URDU
        # Tokens of punctuation alone: an apostrophe in a word is the word's.
        varied = [i for i, part in enumerate(parts) if tags is None or _is_punctuation(part)]
        for kind in marks:
            new = _varied([parts[i] for i in varied], kind, rng)
            for i, part in zip(varied, new, strict=True):
                parts[i] = part
        return parts


def _dropped(text: str, language: str) -> str:
    """Removes punctuation from a text; one that is nothing else stays."""
    new = _DASH_ALONE.sub("", text)
    for pattern in (_QUOTES_WITH_A_SPACE, _QUOTES_AND_OPENING):
        new = pattern.sub("", new)
    new = _without(_ARABIC, new, language, " ")
    new = _without(_AT_GREEK_WORD_END if language in ("el", "grc") else _AT_WORD_END, new, language, "")
    new = _without(_WIDE, new, language, " ")
    if text == text.strip():
        new = new.strip()
    return new if new.strip() else text


def _without(pattern: re.Pattern[str], text: str, language: str, instead: str) -> str:
    """Replaces marks, but for those between two numbers, and the full stops of numbers: No. 7, and 5. Mai."""

    def replacement(match: re.Match[str]) -> str:
        before, after = text[: match.start()].rstrip()[-1:], text[match.end() :].lstrip()[:1]
        if before.isdigit() and after.isdigit():
            return match[0]
        numbered = match[0] == "." and (after.isdigit() or (before.isdigit() and after and language in _ORDINAL_DOTS))
        return match[0] if numbered else instead

    return pattern.sub(replacement, text)


def _varied(parts: Sequence[str], marks: Marks, rng: random.Random) -> list[str]:
    """Writes every mark of a function in another variant; pairs open and close in turn."""
    used = [match[0] for part in parts for match in marks.pattern.finditer(part)]
    # Of an odd number of quotation marks nobody can say which ones open: they get one that does both.
    others = [v for v in marks.variants if used[:1] and used[0] not in v and (len(used) % 2 == 0 or v[0] == v[-1])]
    if not others:
        return list(parts)
    chosen, count = rng.choice(others), 0

    def next_one(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return chosen[(count - 1) % len(chosen)]

    return [marks.pattern.sub(next_one, part) for part in parts]


def _is_punctuation(token: str) -> bool:
    return all(unicodedata.category(c)[0] in "PS" for c in token)
