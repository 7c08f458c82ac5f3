"""The grammar of each language."""

from __future__ import annotations

from .base import Language
from .de import German
from .en import English
from .ja import Japanese
from .romance import French, Spanish
from .ru import Russian
from .tr import Turkish
from .zh import Chinese

GRAMMARS: dict[str, Language] = {
    grammar.code: grammar
    for grammar in (English(), German(), Spanish(), French(), Russian(), Turkish(), Chinese(), Japanese())
}
