"""Tables of a leaderboard: for each board its entries, in a chosen order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xrobust.errors import UserError, did_you_mean
from xrobust.report.format import percent
from xrobust.report.tables import Table, csv_text
from xrobust.results.board.document import OTHER_COVERAGE, Board, ConditionScore, Entry, Leaderboard, Overall
from xrobust.results.score_key import condition_label
from xrobust.results.small_samples import is_small

BUDGET = ("steps", "batch", "examples", "processed", "looks", "seconds")
"""Columns of the training budget: optimiser steps, examples a step, examples trained on, word pieces put through the
encoder, looks at the source dev set; examples, word pieces and seconds are means over runs."""
FIXED = (*"rank rank_to entry model seeds average sd ci_low ci_high targets gap".split(), *BUDGET)
"""Columns that every board has; then come conditions, drops and languages."""
ASCENDING = ("rank", "entry", "model", "gap", *BUDGET)
"""Columns in which small values come first; so do drops."""
HEADS = {"ci_low": "95% interval"}
WITH_OTHERS = ("sd", "ci_high", "rank_to")
"""Columns that are shown in the cell of another: mean ± sd, low to high, the ranks that cannot be told apart."""
MOST_NAMES = 4
"""Most names of entries in one remark."""


def leaderboard_tables(board: Leaderboard, sort: str | None = None, *, languages: bool = False) -> list[Table]:
    """A table for each board, and one for each ranking over tasks.

    `sort` is a column, or `TASK.COLUMN` for the boards of one task, as in `wikiann.de`. Raises UserError for another.
    """
    tables = []
    for one in board.boards:
        rows = board_rows(board, one)
        column = _sort_column(board, one, sort)
        shown = _shown_columns(rows, languages, column)
        cells = [[_cell(name, row) for name in shown] for row in _sorted(rows, column)]
        sizes = _sizes(board, one)
        tables.append(Table(_title(board, one), [_head(name, one, sizes) for name in shown], cells))
    return tables + [_overall_table(board, i) for i in range(len(board.overall))]


def board_rows(board: Leaderboard, one: Board) -> list[dict[str, Any]]:
    """The entries of a board as flat rows: the fixed columns, then conditions, drops, languages and pairs."""
    return [_row(board.entry(entry_id)) for entry_id in one.entries]


def _row(entry: Entry) -> dict[str, Any]:
    clean = entry.under()
    row: dict[str, Any] = {
        "rank": clean.rank if clean else None,
        "rank_to": clean.rank_to if clean else None,
        "entry": entry.name,
        "model": entry.model,
        "seeds": len(entry.runs),
        "average": clean.mean if clean else None,
        "sd": clean.sd if clean else None,
        "ci_low": clean.ci_low if clean else None,
        "ci_high": clean.ci_high if clean else None,
        "targets": clean.targets if clean else None,
        "gap": clean.transfer_gap if clean else None,
        **_budget(entry),
    }
    for condition in entry.conditions:
        if condition.label != "clean" and not _is_other(condition):
            row[condition.label] = condition.mean
            row[f"{condition.label} rank"] = condition.rank
            if condition.drop is not None:
                row[f"{condition.label} drop"] = condition.drop
    for score in entry.scores:
        if score.condition == "clean":
            row[score.name] = score.mean
    return row


def _budget(entry: Entry) -> dict[str, float | None]:
    """The cells of BUDGET."""
    processed = [run.processed_tokens for run in entry.runs if run.processed_tokens is not None]
    counted = len(processed) == len(entry.runs)
    return {
        "steps": entry.budget.steps,
        "batch": entry.budget.batch_size,
        "examples": round(sum(run.examples for run in entry.runs) / len(entry.runs)),
        "processed": round(sum(processed) / len(processed)) if counted else None,
        "looks": entry.budget.dev_evaluations,
        "seconds": entry.cost.seconds,
    }


def _title(board: Leaderboard, one: Board) -> str:
    budget = "any budget"
    if one.budget is not None:
        budget = (
            f"equal steps ({one.budget.steps} of {one.budget.batch_size} examples, "
            f"{one.budget.dev_evaluations} looks at the dev set)"
        )
    marks = [
        *["NOT ZERO-SHOT: training has seen " + ", ".join(one.supervision)] * (not one.zero_shot),
        *["BUDGETS DIFFER"] * one.budgets_differ,
        *["SAMPLE DATA"] * one.sample,
    ]
    supervision = ["strict zero-shot"] * one.zero_shot
    covered = one.coverage.get("clean", {})
    about = [f"{len(covered)} languages"] if covered else []
    parts = [one.metric, *about, *supervision, budget, f"verified by {board.verified}", *marks]
    return f"{one.task} from {one.source}: {', '.join(parts)}"


def _head(name: str, board: Board, sizes: Mapping[str, str]) -> str:
    """The head of a column; of a condition with the number of its test sets, which may be fewer than on clean text, and
    of a language with the number of its examples."""
    if name in board.coverage:
        return f"{name} ({len(board.coverage[name])})"
    return f"{name} (n {sizes[name]})" if name in sizes else HEADS.get(name, name)


def _sizes(board: Leaderboard, one: Board) -> dict[str, str]:
    """Language or pair -> examples of its clean test set, as in `200`, or `150-200` where entries have others."""
    found: dict[str, list[int]] = {}
    for score in (score for entry_id in one.entries for score in board.entry(entry_id).scores):
        if score.condition == "clean":
            found.setdefault(score.name, []).append(score.n)
    return {name: "-".join(map(str, sorted({min(its), max(its)}))) for name, its in found.items()}


def _sort_column(board: Leaderboard, one: Board, sort: str | None) -> str | None:
    """The column that a board is sorted by; None for the order that it has."""
    if sort is None:
        return None
    task, dot, column = sort.rpartition(".")
    tasks = {other.task for other in board.boards}
    if dot and task not in tasks:
        raise UserError(f"--sort {sort}: there is no task {task!r} on it: {did_you_mean(task, tasks)}")
    names = [
        name for other in board.boards if task in ("", other.task) for row in board_rows(board, other) for name in row
    ]
    if column not in names:
        raise UserError(f"--sort {sort}: there is no column {column!r}: {did_you_mean(column, names)}")
    return column if task in ("", one.task) else None


def _sorted(rows: Sequence[dict[str, Any]], column: str | None) -> list[dict[str, Any]]:
    if column is None:
        return list(rows)
    small_first = column in ASCENDING or column.endswith((" drop", " rank"))
    present = [row for row in rows if row.get(column) is not None]
    rest = [row for row in rows if row.get(column) is None]
    return [*sorted(present, key=lambda row: row[column], reverse=not small_first), *rest]


def _shown_columns(rows: Sequence[dict[str, Any]], languages: bool, column: str | None) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if languages:
        return [name for name in names if name not in WITH_OTHERS]
    conditions = {name.removesuffix(" rank") for name in names if name.endswith(" rank")}
    wanted = {*FIXED, *conditions, *(f"{name} drop" for name in conditions), column}
    return [name for name in names if name in wanted and name not in WITH_OTHERS]


def _cell(name: str, row: dict[str, Any]) -> str:
    value = row.get(name)
    if value is None:
        return "-"
    if name == "average" and row["sd"] is not None:
        return f"{percent(value)} ± {percent(row['sd'])}"
    if name == "rank" and row["rank_to"] != value:
        return f"{value}-{row['rank_to']}"
    if name == "ci_low":
        return f"{percent(value)} to {percent(row['ci_high'])}"
    if name in ("rank", "seeds") or name.endswith(" rank"):
        return str(value)
    if name in BUDGET:
        return f"{value:.0f}"
    return value if isinstance(value, str) else percent(value)


def _place(entry: Overall, entries: Sequence[Overall]) -> str:
    return str(1 + sum(other.borda > entry.borda for other in entries))


def _overall_table(board: Leaderboard, i: int) -> Table:
    one = board.overall[i]
    tasks = sorted({task for entry in one.entries for task in entry.entries})
    kind = "strict zero-shot" if one.zero_shot else "NOT ZERO-SHOT: training has seen " + ", ".join(one.supervision)
    rows = [
        [
            _place(entry, one.entries),
            entry.name,
            entry.model,
            f"{entry.borda:g}",
            f"{entry.ci_low:g} to {entry.ci_high:g}",
        ]
        for entry in one.entries
    ]
    return Table(
        f"over {', '.join(tasks)}: Borda count, {kind}", ["place", "entry", "model", "count", "95% interval"], rows
    )


def remarks(board: Leaderboard) -> list[str]:
    """Test sets that are in no average, unequal tuning, entries without a rank, and documents that were left out."""
    lines = [*_small_samples(board), *_tuning(board)]
    for entry in board.entries:
        for row in entry.conditions:
            if row.unranked is not None and (row.label == "clean" or _is_other(row)):
                under = "" if row.label == "clean" else f" under {row.label}"
                lines.append(f"not ranked: {entry.task} {entry.name} ({entry.model}){under}: {row.unranked}")
        for label, names in entry.not_in_all_runs.items():
            lines.append(
                f"left out of {entry.task} {entry.name} ({entry.model}) under {label}: {', '.join(names)}: not all its "
                "seeds were scored on the same there"
            )
    lines += [f"left out: {item.path}: {item.reason}" for item in board.excluded]
    return lines


def _tuning(board: Leaderboard) -> list[str]:
    """Lines on boards whose entries were tuned with different numbers of trials."""
    lines, entries = [], {entry.id: entry for entry in board.entries}
    for one in board.boards:
        names: dict[int | None, list[str]] = {}
        for entry in (entries[entry_id] for entry_id in one.entries):
            names.setdefault(entry.tuned_trials, []).append(entry.name)
        if len(names) > 1:
            parts = [f"{trials or 'none'} ({_some(its)})" for trials, its in names.items()]
            lines.append(
                f"{one.task} from {one.source}: tuned with different numbers of trials, {' and '.join(parts)}: ranks "
                "are partly the tuning's"
            )
    return lines


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def _is_other(condition: ConditionScore) -> bool:
    """True for a score under a condition that is of other test sets, or of another attack, than the ranked ones."""
    return condition.unranked is not None and condition.unranked.startswith(OTHER_COVERAGE)


def _small_samples(board: Leaderboard) -> list[str]:
    """Lines on the test sets that are in no average: one for each task and condition."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for entry in board.entries:
        for row in (row for row in entry.scores if is_small(row.condition, row.n, board.min_examples)):
            label = condition_label(row.condition, row.perturbation, row.attack, row.worst_of)
            found.setdefault((entry.task, str(label)), {})[row.name] = row.n
    return [
        f"in no average of {task} under {label}: {', '.join(f'{name} ({n})' for name, n in its.items())}: fewer than "
        f"{board.min_examples} changed examples (robustness.min_examples)"
        for (task, label), its in found.items()
    ]


def leaderboard_rows(board: Leaderboard, sort: str | None = None) -> list[dict[str, Any]]:
    """All boards as flat rows, numbers as the document has them; the order is that of `leaderboard_tables`."""
    found = []
    for one in board.boards:
        head = {
            "task": one.task,
            "source": one.source,
            "metric": one.metric,
            "board": one.id,
            "zero_shot": one.zero_shot,
        }
        found += [head | row for row in _sorted(board_rows(board, one), _sort_column(board, one, sort))]
    return found


def leaderboard_csv(board: Leaderboard, sort: str | None = None) -> str:
    """All boards as comma-separated values, numbers as the document has them: fractions of 1."""
    rows = leaderboard_rows(board, sort)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(columns, [[row.get(name) for name in columns] for row in rows])
