"""Tables of URIEL (Littell et al., EACL 2017), the data behind lang2vec, read from the package `urielplus`.

The package (Khan et al., COLING 2025) carries the original URIEL. Its own `URIELPlus()` copies 10 MB into site-packages
and sets up logging for the whole process, and takes minutes and 4 GB for URIEL+'s further databases: so the files are
read directly.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from xrobust.analysis.language_codes import iso_639_3
from xrobust.errors import UserError


@cache
def table(file: str) -> dict[str, Any]:
    """One of URIEL's tables: `row` language -> row, `feats` (F,), `data` (L, F), -1 where nothing is known.

    A feature with several sources counts as present when one of them says so. Raises UserError where `urielplus` is not
    installed.
    """
    import numpy as np

    try:
        folder = resources.files("urielplus") / "database" / "original_uriel"
    except ModuleNotFoundError as error:
        raise UserError('language distances need the package urielplus: pip install "xrobust[analysis]"') from error
    try:
        with resources.as_file(folder / file) as path, np.load(path, allow_pickle=False) as stored:
            languages, features, data = stored["langs"], stored["feats"], stored["data"].max(axis=2)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"the installed urielplus has no readable {folder / file}: pip install --force-reinstall urielplus==1.3.2"
        ) from error
    small = data.astype(np.int8)
    data = small if np.array_equal(small, data) else data  # 40 MB of all tables to keep in place of 200
    return {"row": {language: i for i, language in enumerate(languages.tolist())}, "feats": features, "data": data}


def row_of(table: dict[str, Any], language: str) -> int | None:
    """The row of a language, by its ISO 639 code; None where URIEL does not know it."""
    row: int | None = table["row"].get(iso_639_3(language))
    return row
