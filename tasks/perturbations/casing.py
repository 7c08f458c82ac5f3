"""Text in another case: all small, all capitals, or every word with a capital."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from xrobust.contracts import Parameters, PerturbationInfo

from .shared.letters import lower, title, upper
from .shared.scripts import base_language, script_of_language
from .shared.words import FormPerturbation, outside

_CASED = frozenset({"Latin", "Greek", "Cyrillic", "Armenian"})
_FORMS = {"lower": lower, "upper": upper, "title": title}
_UNITS = r"(?<=\d)\s?(?:[pnµμmcdhkMGT]?(?:Wh|W|Hz|bit|B|g|m|l|L|V|A|Pa|J|N|eV)|K)(?!\w)"
"""Units of measure behind a number: mW is not MW."""
_TOLD_BY_CASE = {"de": r"\b(?:[Ss]ie|[Ii]hnen|[Ii]hr(?:e[mnrs]?)?)\b"}
"""Language -> words of which case alone tells the meaning: *Sie* is you, *sie* she or they."""


class Casing(FormPerturbation):
    """Writes everything in one case, by the rules of the language.

    Turkish and Azerbaijani i and ı have the capitals İ and I; German ß becomes SS; Greek capitals lose the tonos, and a
    sigma that ends a word becomes ς in lower case; Dutch ij is one letter at the beginning of a word. In texts, units
    behind a number stay (5 mW), and so do the German pronouns that case alone tells apart (Sie, sie). Cased models that
    meet lower-cased text lose most in named entities (Mayhew et al., EMNLP 2019; Bodapati et al., W-NUT 2019).

    Not covered: scripts without case. (Georgian has capitals in Unicode, but not in ordinary writing.)
    """

    info = PerturbationInfo(
        name="casing",
        summary="everything in lower case, upper case or title case",
        kinds=("sequence_classification", "multiple_choice", "token_classification"),
        citation="Mayhew et al., EMNLP 2019; Bodapati et al., W-NUT 2019",
        version=2,
    )

    class Params(Parameters):
        to: Literal["lower", "upper", "title"] = Field(
            default="lower", description="lower: as in a chat; upper: shouted; title: As In A Headline"
        )

    params: Params

    def language_problem(self, language: str) -> str | None:
        script = script_of_language(language)
        return None if script in _CASED else f"the {script} script has no case"

    def changed(self, parts: list[str], language: str, rng: random.Random, tags: Sequence[str] | None) -> Sequence[str]:
        form = _FORMS[self.params.to]
        if tags is not None:
            return [form(part, language) for part in parts]
        kept = re.compile("|".join([_UNITS, *filter(None, [_TOLD_BY_CASE.get(base_language(language))])]))
        return [
            outside(part, [match.span() for match in kept.finditer(part)], lambda t: form(t, language))
            for part in parts
        ]
