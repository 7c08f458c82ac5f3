"""Bilingual dictionaries: where they are found, and what they must look like."""

from __future__ import annotations

from pathlib import Path

from xrobust.contracts import NotCovered
from xrobust.data.lines import iter_lines
from xrobust.errors import UserError

from .letters import lower
from .scripts import base_language


def find_dictionary(given: Path | None, data_dir: Path | None, language: str) -> Path:
    """The file of English words and their translations in `language`: the one given, in whose name `{language}` stands
    for the code, or `dictionaries/en-<language>.tsv` of the data folder.

    Raises NotCovered, naming the file, where there is none for this language; UserError where one file was given for
    all languages and is not there.
    """
    codes = dict.fromkeys((language, base_language(language)))
    if given is not None:
        places = [Path(str(given).replace("{language}", code)) for code in codes]
    elif data_dir is not None:
        places = [data_dir / "dictionaries" / f"en-{code}.tsv" for code in codes]
    else:
        raise NotCovered(f"the data are not in a folder, where dictionaries/en-{language}.tsv would be looked for")
    for place in places:
        if place.is_file():
            return place
    if given is not None and "{language}" not in str(given):
        raise UserError(f"the dictionary {given} is not there: name a file of English words, tabs and translations")
    if given is not None and not places[0].parent.is_dir():
        raise UserError(f"dictionary {given}: there is no folder {places[0].parent}; correct the path")
    raise NotCovered(f"there is no dictionary {places[-1]}")


def read_dictionary(path: Path, language: str, backwards: bool) -> dict[str, tuple[str, ...]]:
    """Word in lower case -> its translations in file order, without those that are the word itself.

    `language` is that of the translations in the file; `backwards` gives English for them. Raises UserError.
    """
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(iter_lines(path), start=1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise UserError(
                f"{path}, line {number}: expected an English word, a tab and its translation: {line[:60]!r}"
            )
        english, translation = columns
        if lower(english, "en") != lower(translation, language):
            word, other = (translation, english) if backwards else (english, translation)
            found.setdefault(lower(word, language if backwards else "en"), {})[other] = None
    if not found:
        raise UserError(f"{path}: no word with a translation that differs from it")
    return {word: tuple(others) for word, others in found.items()}
