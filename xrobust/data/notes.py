"""Words for what a user should know of the data of a run: in the log, and as warnings of the document."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

from xrobust.data.repeated import RepeatedRows
from xrobust.data.splits import DataRows

logger = logging.getLogger("xrobust")

WORTH_A_WARNING = 0.01
"""Share of a test or dev set's rows that are in a set before it, from which on it is a warning."""


def log_notes(task: str, used: Iterable[DataRows]) -> None:
    """Logs how the rows were read: tags converted, rows left out, text changed, treebanks pooled."""
    for rows in used:
        for note in rows.notes():
            logger.info("%s %s %s: %s", task, rows.split, rows.language, note)


def data_warnings(used: Sequence[DataRows], repeated: Iterable[RepeatedRows]) -> Iterator[str]:
    """Yields a line for each way in which the data look like others than the user means."""
    for rows in used:
        if rows.split != "test" and len(rows.labels) == 1 and rows.rows > 1:
            (label,) = rows.labels
            what = "nothing can be learnt from it" if rows.split == "train" else "weights cannot be selected on it"
            yield f"all {rows.rows:,} rows of the {rows.language} {rows.split} set have the label {label!r}: {what}"
    converted = [rows for rows in used if rows.converted_tags]
    if converted:
        of_each = ", ".join(f"{r.split} {r.language} {r.converted_tags:,} ({r.tag_scheme})" for r in converted)
        yield f"gold tags were converted to IOB2, since they are in another scheme: {of_each}"
    for rows in used:
        if rows.split == "test" and rows.entities == 0:
            yield (
                f"the {rows.language} test set has no entity: F1 of entities is 0 on it whatever a model says, and "
                "counts as 0 in the averages; --languages scores the others alone"
            )
    totals: dict[tuple[str, str], int] = {(rows.split, rows.language): rows.rows for rows in used}
    found = [row for row in repeated if (row.split, row.language) in totals]
    same = [row for row in found if row.in_split == "test"]
    if same:
        pairs = ", ".join(f"{_share(row, totals)} are in {row.in_language} too" for row in same)
        yield f"test rows of one language are another's, word for word; is one under a wrong name? {pairs}"
    seen: dict[tuple[str, str, str], list[RepeatedRows]] = {}
    for row in found:
        if row.in_split != "test":
            seen.setdefault((row.split, row.in_split, row.in_language), []).append(row)
    for (split, in_split, language), rows_seen in seen.items():
        where = f"{split} rows that are in the {language} {in_split} set too, word for word"
        many = [row for row in rows_seen if row.rows >= WORTH_A_WARNING * totals[row.split, row.language]]
        few = [row for row in rows_seen if row not in many]
        if many:
            named = ", ".join(_share(row, totals) for row in many)
            so = "their scores are not those of unseen text" if split == "test" else "weights are selected on seen text"
            yield f"{where}, so that {so}: {named}"
        if few:
            logger.info("%s: %s", where, ", ".join(_share(row, totals) for row in few))


def _share(row: RepeatedRows, totals: Mapping[tuple[str, str], int]) -> str:
    """Rows that are repeated, of all of that split and language: `de 12 of 1,000`."""
    return f"{row.language} {row.rows:,} of {totals[row.split, row.language]:,}"
