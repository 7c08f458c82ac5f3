"""`xrobust compare`: is one method better than another, language by language and under each condition?"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xrobust.cli.options import Budget, Plugin
from xrobust.cli.output import (
    Format,
    FormatOption,
    OutputFile,
    require_writable,
    tables_text,
    write_or_print,
)
from xrobust.errors import UserError
from xrobust.runtime.screen import json_text, say

if TYPE_CHECKING:
    from xrobust.report.tables import Table
    from xrobust.results.compare import Sides
    from xrobust.results.comparing.estimates import CompareOptions
    from xrobust.results.comparing.experiment_parts import ExperimentPart
    from xrobust.results.select import LeftOut, Selection


class Check(StrEnum):
    """Second computation of the intervals."""

    bootstrap = "bootstrap"


def compare_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="BASELINE OTHER...",
            help="Run folders, group or run ids, globs, or filters such as method=rs_aug. Runs of one group are one "
            "side. An experiment alone, by its name or file: its baseline and each other method, task by task.",
        ),
    ],
    folder: Annotated[
        Path,
        typer.Option("--runs", metavar="FOLDER", help="Folder that ids, filters and experiments are in."),
    ] = Path("runs"),
    where: Annotated[
        str | None,
        typer.Option("--filter", "-f", metavar="KEY=VALUE,...", help="Filter over all arguments, as in task=wikiann."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Score to compare. [default: the task's main one]")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Show this condition by language: clean, typos, worst_case. Repeatable."),
    ] = None,
    common: Annotated[bool, typer.Option("--common", help="Compare the languages that all runs have.")] = False,
    budget: Annotated[
        Budget, typer.Option(help="any: compare runs that were not trained equally long, and mark it.")
    ] = Budget.equal,
    paired_seeds: Annotated[
        bool, typer.Option("--paired-seeds", help="Runs of one seed share what it decides: use their differences.")
    ] = False,
    check: Annotated[
        Check | None, typer.Option(help="Print bootstrap intervals over seeds and examples beside.")
    ] = None,
    flips: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="List the examples that changed sides, with their text.")
    ] = None,
    form: FormatOption = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison document: --format json.")] = False,
    output: OutputFile = None,
    plugin: Plugin = None,
) -> None:
    """Compare runs with a baseline, the first argument: differences with intervals, tests, and what they show."""
    from xrobust.cli.comparison_text import comparison_text, require_conditions
    from xrobust.results.compare import compare_sides, sides_of
    from xrobust.results.comparing.estimates import CompareOptions
    from xrobust.results.comparing.experiment_parts import experiment_parts
    from xrobust.results.select import select_all

    if output is not None:
        require_writable(output)
    form = Format.json if as_json else form
    options = CompareOptions(metric, common, budget.value, paired_seeds, check is not None)
    selections = select_all(runs, folder, where=where)
    parts = experiment_parts(selections, where)
    if len(parts) > 1:
        if flips is not None:
            raise UserError(f"--flips {flips}: name one task, as in --filter task={parts[0].task}")
        write_or_print(_experiment_text(selections[0], parts, options, condition or (), form, plugin or ()), output)
        return
    sides = sides_of(selections, parts[0] if parts else None, metric, plugin or ())
    _say_left_out(sides.left_out)
    if flips is not None:
        text = _flips_text(sides, flips, form, budget.value, plugin or ())
    else:
        comparison = compare_sides(sides, options)
        require_conditions(comparison, condition or ())
        text = comparison_text(comparison, condition or (), form)
    write_or_print(text, output)
    if any(item.by_name for item in sides.left_out):
        raise typer.Exit(1)


def _experiment_text(
    selection: Selection,
    parts: Sequence[ExperimentPart],
    options: CompareOptions,
    conditions: Sequence[str],
    form: Format,
    plugins: Sequence[Path],
) -> str:
    """The comparisons of an experiment with several tasks or models. Raises UserError where none can be made."""
    from xrobust.cli.comparison_text import experiment_text, with_conditions
    from xrobust.results.compare_experiment import compare_parts, open_parts

    opened = open_parts(selection, parts, options.metric, plugins)
    _say_left_out(opened.left_out)
    document = compare_parts(opened, options)
    return experiment_text(with_conditions(document, conditions), conditions, form)


def _say_left_out(items: Sequence[LeftOut]) -> None:
    for item in items:
        say(f"left out: {item.path}: {item.reason}", error=True)
    if items:
        say(f"runs left out: {sum(item.runs for item in items)}", error=True)


def _flips_text(sides: Sides, language: str, form: Format, budget: str, plugin_files: Sequence[Path]) -> str:
    from xrobust.report.tables import Table, csv_text
    from xrobust.results.comparing.flips import Flip, flips
    from xrobust.results.comparing.sides import require_comparable

    columns = list(Flip.model_fields)
    tables: list[Table] = []
    documents = []
    for other in sides.others:
        require_comparable(sides.baseline, other, budget)
        found, reason = flips(sides.baseline, other, language, plugin_files)
        if reason is not None:
            say(f"no texts: {reason}", error=True)
        documents += [{"other_name": other.name, **flip.model_dump(mode="json")} for flip in found]
        gained = sum(flip.change == "gained" for flip in found)
        title = (
            f"{language}: {other.name} beside {sides.baseline.name}: {gained} examples gained, "
            f"{len(found) - gained} lost (right with more than half of the seeds)"
        )
        tables.append(Table(title, columns, [[_cell(getattr(flip, name)) for name in columns] for flip in found]))
    if form is Format.json:
        return json_text(documents)
    if form is Format.csv:
        return csv_text(["other_name", *columns], [[_cell(value) for value in row.values()] for row in documents])
    return tables_text(tables, form)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str("-" if value is None else value)
