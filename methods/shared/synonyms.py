"""Finds, downloads and checks the table of counter-fitted neighbours."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path

from xrobust.errors import OutOfReach, UserError
from xrobust.storage.cache import cache_folder
from xrobust.storage.regular_file import require_regular

NAME = "counterfitted_neighbors.json"
URL = (
    "https://raw.githubusercontent.com/robinjia/certified-word-sub/4fa78a459a3fdcecf544b7d10ffd2b9494d74a2b/data/"
    + NAME
)
"""The table of Jia et al. (EMNLP 2019), MIT licence: 49,975 words with up to 8 neighbours each. Pinned to a commit."""
SHA256 = "103247143f39bd5dd66850f3a912393392641dbd98093c61e2b24a4cc8a96fb0"
TIMEOUT = 60
"""Seconds without an answer after which a download fails."""


def find_table(given: Path | None, data_dir: Path | None, offline: bool) -> Path:
    """The table's file: the one given, the data folder's, or a cached download. Raises UserError."""
    if given is not None:
        read_table(given)
        return given
    in_data = data_dir / "synonyms" / NAME if data_dir is not None else None
    if in_data is not None and in_data.is_file():
        read_table(in_data)
        return in_data
    cached = cache_folder() / NAME
    if cached.is_file() and hashlib.sha256(cached.read_bytes()).hexdigest() == SHA256:
        return cached
    place = in_data or Path("DATA_DIR", "synonyms", NAME)
    advice = f"fetch {URL} and save it as {place}, or name it with --set method.neighbors=PATH"
    if offline:
        raise OutOfReach("rs_aug needs the table of neighbours, which is not on this machine (--offline)", advice)
    _download(cached, advice)
    return cached


def _download(target: Path, advice: str) -> None:
    """Fetches the published table to `target`, whole and checked or not at all."""
    from urllib.request import urlopen

    try:
        with urlopen(URL, timeout=TIMEOUT) as response:
            content = response.read()
    except (OSError, ValueError) as error:
        raise OutOfReach(
            f"rs_aug needs the table of neighbours, which cannot be downloaded ({error})", advice
        ) from error
    if (actual := hashlib.sha256(content).hexdigest()) != SHA256:
        raise UserError(f"{URL} is not the published table: its sha256 is {actual}, expected {SHA256}; {advice}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(target)
    except OSError as error:
        raise UserError(f"the table of neighbours cannot be kept as {target} ({error}): {advice}") from error


def read_table(path: Path) -> dict[str, list[str]]:
    """Reads word -> neighbours, words without any left out. Raises UserError for anything but such a table."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if repeated := [word for word, times in Counter(word for word, _ in pairs).items() if times > 1]:
            raise UserError(f"{path}: {repeated[0]!r} stands there twice: keep one")
        return dict(pairs)

    require_regular(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except OSError as error:
        raise UserError(f"the table of neighbours {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: not a JSON file in UTF-8: {error}") from error
    if not isinstance(table, dict) or not table:
        raise UserError(f"{path}: expected a JSON object of words, each with a list of words")
    for word, neighbors in table.items():
        if not isinstance(neighbors, list) or not all(isinstance(n, str) for n in neighbors):
            raise UserError(f"{path}: expected a list of words for {word!r}, found {json.dumps(neighbors)[:60]}")
    return {word: neighbors for word, neighbors in table.items() if neighbors}
