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
    remarks_text,
    require_writable,
    tables_text,
    write_or_print,
)
from xrobust.errors import UserError, did_you_mean
from xrobust.runtime.screen import json_text, say

if TYPE_CHECKING:
    from xrobust.report.tables import Table
    from xrobust.results.compare import Sides
    from xrobust.results.comparing.document import ComparedWith, Comparison


class Check(StrEnum):
    """Second computation of the intervals."""

    bootstrap = "bootstrap"


def compare_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="BASELINE OTHER...",
            help="Run folders, group or run ids, globs, or filters such as method=rs_aug. Runs of one group are one "
            "side.",
        ),
    ],
    folder: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="Folder that ids and filters look in.")
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
    from xrobust.results.compare import compare_sides, open_sides
    from xrobust.results.comparing.estimates import CompareOptions

    if output is not None:
        require_writable(output)
    form = Format.json if as_json else form
    sides = open_sides(runs, folder, where=where, metric=metric, plugins=plugin or ())
    for item in sides.left_out:
        say(f"left out: {item.path}: {item.reason}", error=True)
    if sides.left_out:
        say(f"runs left out: {len(sides.left_out)}", error=True)
    if flips is not None:
        text = _flips_text(sides, flips, form, budget.value, plugin or ())
    else:
        options = CompareOptions(metric, common, budget.value, paired_seeds, check is not None)
        comparison = compare_sides(sides, options)
        _require_conditions(comparison, condition or ())
        text = _text(comparison, condition or (), form)
    write_or_print(text, output)
    if any(item.by_name for item in sides.left_out):
        raise typer.Exit(1)


def _require_conditions(comparison: Comparison, labels: Sequence[str]) -> None:
    """Raises UserError for a condition that is not compared, with the reason."""
    from xrobust.report.comparison_tables import is_named

    for label in labels:
        for part in comparison.compared:
            known = {row.label for row in part.estimates}
            reasons = [item.reason for item in part.not_compared if is_named(item, [label])]
            if not any(is_named(row, [label]) for row in part.estimates):
                raise UserError(f"--condition {label}: {reasons[0] if reasons else did_you_mean(label, known)}")


def _text(comparison: Comparison, conditions: Sequence[str], form: Format) -> str:
    from xrobust.report.comparison_tables import (
        comparison_csv,
        comparison_tables,
        small_samples,
        trained_models_tables,
    )

    if form is Format.json:
        return comparison.text()
    if form is Format.csv:
        return comparison_csv(comparison)
    tables = comparison_tables(comparison, conditions)
    if not conditions:
        tables += trained_models_tables(comparison)
    remarks = [
        *small_samples(comparison),
        *comparison.notes,
        *(line for part in comparison.compared for line in _remarks(part)),
    ]
    return "\n".join(filter(None, (tables_text(tables, form), remarks_text(remarks, form))))


def _remarks(part: ComparedWith) -> list[str]:
    """Lines below the tables: sentences, counts of languages that differ, conditions that are not compared."""
    counts = [
        f"{part.other.name}, {count.label}: at least {count.better} of {count.languages} are better, at least "
        f"{count.worse} worse (95% confidence)"
        for count in part.counts
    ]
    left = [f"{part.other.name}: {item.label} is not compared: {item.reason}" for item in part.not_compared]
    return [*part.sentences, *counts, *left]


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
