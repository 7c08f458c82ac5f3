"""`xrobust runs`: the runs in a folder, or their groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xrobust.errors import UserError, did_you_mean
from xrobust.runtime.screen import json_text, say, write_data

if TYPE_CHECKING:
    from xrobust.results.listing import Row
    from xrobust.results.select import FoundRun, LeftOut

Columns = dict[str, tuple[Callable[["Row"], Any], Callable[["Row"], str]]]
"""Name of a column -> value to sort by, None where there is none, and text of the cell."""


def runs_command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder that runs were written to, or the name (in runs) or file of an experiment.",
        ),
    ] = Path("runs"),
    group: Annotated[
        bool, typer.Option("--group", help="One line for the seeds of one configuration, with mean and deviation.")
    ] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE,...",
            help="Only runs that fit, as in method=rs_aug,seed=1; keys: task, method, model, source, seed, status, "
            "group, run, language, condition, sample, precision, limit, method.epsilon, training.max_steps.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="COLUMN", help="Sort by a column of the table; -COLUMN: the largest first."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List the runs in a folder: id, task, method, seed, state, main score, age."""
    from xrobust.results.experiment_index import output_of
    from xrobust.results.find_experiment import find_experiment, hint
    from xrobust.results.listing import group_rows, run_row
    from xrobust.results.select import documents_below

    below = Path("runs")
    experiment = find_experiment(str(folder), below)
    if experiment is None and not folder.is_dir():
        raise UserError(
            f"{folder} is not a folder, nor an experiment{hint(str(folder), below)} (xrobust run writes to runs/ "
            "unless --output says otherwise)"
        )
    files = documents_below(folder) if experiment is None else _documents_of(experiment)
    folder = folder if experiment is None else output_of(experiment)
    columns = _group_columns() if group else _run_columns(folder)
    order = None if sort is None else _order(sort, columns)
    found, damaged = _found(files, filters, f"in {folder}")
    rows = group_rows(found) if group else [run_row(run, folder) for run in found]
    if order is not None:
        rows = _sorted(rows, *order)
    if as_json:
        _print_json(rows, "groups" if group else "runs", damaged)
    else:
        _print_table(rows, columns, folder, damaged)


def _documents_of(experiment: Path) -> list[Path]:
    """The documents of an experiment's runs; the number of runs that have none yet is said. Raises UserError."""
    from xrobust.results.asked_runs import AskedRuns

    asked = AskedRuns.of(experiment)
    if missing := len(asked.index.runs) - len(asked.documents):
        say(f"{asked.name}: {missing} of {len(asked.index.runs)} runs not begun", error=True)
    return list(asked.documents)


def _found(files: Sequence[Path], filters: Sequence[str] | None, where: str) -> tuple[list[FoundRun], list[LeftOut]]:
    """The runs that fit, in whatever state, and the documents that cannot be read. Raises UserError."""
    from xrobust.results.run_filter import RunFilter
    from xrobust.results.select import FoundRun, read

    wanted = RunFilter(",".join(filters)) if filters else None
    found: list[FoundRun] = []
    damaged: list[LeftOut] = []
    for file in files:
        document = read(file)
        if not isinstance(document, FoundRun):
            damaged.append(document)
        elif wanted is None or wanted.fits(document.result):
            found.append(document)
    if wanted is not None and wanted.looked_at and not found:
        raise wanted.nothing_fits(where)
    return found, damaged


def _run_columns(folder: Path) -> Columns:
    return {
        "run": _plain("run_id"),
        "task": _plain("task"),
        "method": _plain("method"),
        "seed": _plain("seed"),
        "state": _plain("status"),
        "average": (lambda row: row["average"], lambda row: _score(row, "average")),
        "age": (lambda row: -datetime.fromisoformat(row["updated"]).timestamp(), lambda row: age(row["updated"])),
        "folder": (lambda row: row["path"], lambda row: str(folder / row["path"])),
    }


def _group_columns() -> Columns:
    from xrobust.report.format import percent

    return {
        "group": _plain("group_id"),
        "task": _plain("task"),
        "method": _plain("method"),
        "model": _plain("model"),
        "seeds": (lambda row: len(row["seeds"]), lambda row: str(len(row["seeds"]))),
        "mean": (lambda row: row["mean"], lambda row: _score(row, "mean")),
        "sd": (lambda row: row["sd"], lambda row: percent(row["sd"])),
        "state": (_states, _states),
    }


def _plain(key: str) -> tuple[Callable[[Row], Any], Callable[[Row], str]]:
    return (lambda row: row[key]), (lambda row: str(row[key]))


def _score(row: Row, key: str) -> str:
    """A score with its metric and the number of languages that it is over: `accuracy 83.1 over 12`."""
    from xrobust.report.format import percent

    if row[key] is None:
        return "-"
    sample = " (sample data)" if row["sample"] else ""
    return f"{row['metric']} {percent(row[key], 1)} over {row['languages']}{sample}"


def _states(row: Row) -> str:
    """`complete`, or `2 complete, 1 running`."""
    states = row["states"]
    return next(iter(states)) if len(states) == 1 else ", ".join(f"{n} {state}" for state, n in sorted(states.items()))


def _order(sort: str, columns: Columns) -> tuple[Callable[[Row], Any], bool]:
    """The value to sort by, and True for descending. Raises UserError for a column that is not in the table."""
    name = sort.removeprefix("-")
    if name not in columns:
        raise UserError(f"--sort {sort}: there is no column {name!r}: {did_you_mean(name, columns)}")
    return columns[name][0], sort.startswith("-")


def _sorted(rows: Sequence[Row], value: Callable[[Row], Any], descending: bool) -> list[Row]:
    """The rows by value; those without one last, either way."""
    having = [row for row in rows if value(row) is not None]
    return sorted(having, key=value, reverse=descending) + [row for row in rows if value(row) is None]


def _print_table(rows: Sequence[Row], columns: Columns, folder: Path, damaged: Sequence[LeftOut]) -> None:
    from xrobust.cli.table import print_table

    if rows:
        print_table(list(columns), [[cell(row) for _, cell in columns.values()] for row in rows])
    else:
        say(f"no runs in {folder}")
    for document in damaged:
        say(f"damaged: {document.path}: {document.reason}")


def _print_json(rows: Sequence[Row], name: str, damaged: Sequence[LeftOut]) -> None:
    left_out = [{"path": document.path, "reason": document.reason} for document in damaged]
    write_data(json_text({name: rows, "left_out": left_out}))


def age(timestamp: str) -> str:
    """Time passed since a timestamp in ISO 8601, as in `3 h`."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
