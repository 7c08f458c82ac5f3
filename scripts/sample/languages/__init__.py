"""The grammar of each language."""

from __future__ import annotations

from .base import Language, Slots
from .de import German
from .en import English
from .es import Spanish
from .fr import French
from .ja import Japanese
from .ru import Russian
from .tr import Turkish
from .zh import Chinese

GRAMMARS: dict[str, Language] = {
    grammar.code: grammar
    for grammar in (English(), German(), Spanish(), French(), Russian(), Turkish(), Chinese(), Japanese())
}

__all__ = ["GRAMMARS", "Language", "Slots"]
