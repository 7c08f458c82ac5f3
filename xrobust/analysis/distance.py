"""Distances between languages, from the vectors of URIEL; a test compares them with those of `urielplus`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from xrobust.analysis.uriel import row_of, table
from xrobust.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

DISTANCES = {
    "syntactic": ("features.npz", "S_"),
    "phonological": ("features.npz", "P_"),
    "inventory": ("features.npz", "INV_"),
    "featural": ("features.npz", ""),
    "genetic": ("family_features.npz", ""),
    "geographic": ("geocoord_features.npz", ""),
    "script": ("script_features.npz", ""),
}
"""Distance -> URIEL's file, and how the names of its features begin."""

FEWEST_FEATURES = 10
"""Below this many features known of both languages there is no distance: Kazakh and English share two phonological
ones, which say nothing."""
UNKNOWN = -1


@dataclass(frozen=True)
class LanguageDistances:
    """Distances from one language to others."""

    values: dict[str, dict[str, float]]
    """Distance -> language -> value from 0 to 1. What cannot be had is left out, and `problems` says so."""
    problems: list[str]


def distances(source: str, targets: Sequence[str], names: Sequence[str] = tuple(DISTANCES)) -> LanguageDistances:
    """Distances from language `source` to each of `targets`, by ISO 639 codes.

    A distance is the angle between two languages' vectors over the features that URIEL knows of both, in right angles:
    2 arccos(cos(u, v)) / pi, which is 0 for equal and 1 for disjoint vectors, as `urielplus` defines it. A feature with
    several sources counts as present when one of them says so.

    Raises UserError for an unknown name, and where `urielplus` is not installed.
    """
    for name in names:
        if name not in DISTANCES:
            raise UserError(f"unknown language distance {name!r}: {did_you_mean(name, DISTANCES)}")
    values: dict[str, dict[str, float]] = {name: {} for name in names}
    problems: list[str] = []
    tables = {file: table(file) for file in dict.fromkeys(DISTANCES[name][0] for name in names)}
    known = {
        language for language in (source, *targets) if all(row_of(t, language) is not None for t in tables.values())
    }
    if unknown := [language for language in targets if language not in known]:
        problems.append(f"URIEL knows no language {', '.join(unknown)}: without distances")
    if source not in known:
        problems.append(f"URIEL knows no language {source}, the source: without distances from it")
        return LanguageDistances(values, problems)
    for name in names:
        file, prefix = DISTANCES[name]
        vector = partial(_vector, tables[file], prefix)
        few: list[str] = []
        empty: list[str] = []
        for target in targets:
            if target not in known:
                continue
            value, shared = _angle(vector(source), vector(target))
            if shared < FEWEST_FEATURES:
                few.append(f"{target} {shared}")
            elif value is None:
                empty.append(target)
            else:
                values[name][target] = value
        if few:
            problems.append(
                f"no {name} distance from {source} where URIEL knows fewer than {FEWEST_FEATURES} features of both: "
                f"{', '.join(few)}"
            )
        if empty:
            problems.append(
                f"no {name} distance from {source} where both have none of its features: {', '.join(empty)}"
            )
    return LanguageDistances(values, problems)


def _vector(table: dict[str, Any], prefix: str, language: str) -> np.ndarray:
    """A language's features, shape (features that begin with `prefix`,)."""
    import numpy as np

    vector: np.ndarray = table["data"][row_of(table, language)].astype(float)
    return vector[np.char.startswith(table["feats"], prefix)] if prefix else vector


def _angle(u: np.ndarray, v: np.ndarray) -> tuple[float | None, int]:
    """The angle in right angles, or None where too little is known; and the number of features known of both."""
    import numpy as np

    both = (u != UNKNOWN) & (v != UNKNOWN)
    shared = int(both.sum())
    u, v = u[both], v[both]
    lengths = np.linalg.norm(u), np.linalg.norm(v)
    # Two vectors of zeros: two languages that URIEL puts into no family, isolates or forgotten ones.
    if shared < FEWEST_FEATURES or not any(lengths):
        return None, shared
    cosine = u @ v / (lengths[0] * lengths[1]) if all(lengths) else 0.0
    return float(2 * np.arccos(np.clip(cosine, -1, 1)) / np.pi), shared
