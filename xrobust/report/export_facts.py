"""Facts about a leaderboard's entries that every export needs: hub ids, time, labels, names for files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from xrobust.errors import UserError, did_you_mean
from xrobust.results.board.document import ConditionScore, Entry, Leaderboard, TestSetScore
from xrobust.results.score_key import condition_label

LONGEST = 50
"""Most characters of a name: four bytes each, and file systems take 255."""
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNPORTABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(data|CON|PRN|AUX|NUL|COM\d|LPT\d)?(\..*)?", re.IGNORECASE)
"""Names that Windows, or the layout of every_eval_ever, keep for themselves; no name at all; hidden files."""


class HubData(NamedTuple):
    """A data set of the hub."""

    repo: str
    revision: str
    """Commit sha."""


def chosen(board: Leaderboard, ids: Sequence[str]) -> list[Entry]:
    """The entries of these ids, all of them if none is given. Raises UserError for an unknown id."""
    known = {entry.id: entry for entry in board.entries}
    for entry_id in ids:
        if entry_id not in known:
            raise UserError(f"--entry {entry_id!r}: the leaderboard has no such entry; {did_you_mean(entry_id, known)}")
    return [known[entry_id] for entry_id in dict.fromkeys(ids)] or board.entries


def hub_data(entry: Entry) -> HubData | None:
    """The hub's data set that all runs of the entry read, at one commit; None for other data."""
    found = {(run.data, run.data_revision or "") for run in entry.runs}
    data = HubData(*found.pop())
    is_hub = _HUB_ID.fullmatch(data.repo) and _COMMIT.fullmatch(data.revision)
    return data if is_hub and not found else None


def hub_model(entry: Entry) -> str | None:
    """The id of the base model on the hub; None for a folder."""
    return entry.model if entry.model_identity.get("revision") else None


def updated(entry: Entry) -> str:
    """The time at which the newest of its documents was changed, UTC, ISO 8601."""
    return max(run.updated for run in entry.runs)


def over_seeds(entry: Entry) -> str:
    """The number of runs that a score is of, in words: `mean over 5 seeds`."""
    return f"mean over {len(entry.runs)} seeds" if len(entry.runs) > 1 else "one seed"


def label_of(score: TestSetScore | ConditionScore) -> str:
    """The condition's name, of pairs too: `clean`, `typos`."""
    return condition_label(score.condition, score.perturbation, score.attack, score.worst_of) or "clean"


def check_scores(entry: Entry) -> None:
    """Raises UserError for a score that is not a fraction of 1: the formats say what range scores have."""
    for mean in (*(row.mean for row in entry.scores), *(row.mean for row in entry.conditions)):
        if not 0 <= mean <= 1:
            raise UserError(f"entry {entry.id}: its {entry.metric} of {mean} is not between 0 and 1: not exported")


def file_name(text: str) -> str:
    """A portable name for a file or folder: the text itself, or something near it with a part of the text's hash."""
    name = _UNPORTABLE.sub("_", text)[:LONGEST].rstrip(". ")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return name if name == text else f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
