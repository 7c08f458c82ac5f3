"""Text of comparisons, of one and of an experiment's, in each form of output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xrobust.cli.output import Format, remarks_text, tables_text
from xrobust.errors import UserError, did_you_mean
from xrobust.runtime.screen import printable, say

if TYPE_CHECKING:
    from xrobust.results.comparing.document import ComparedWith, Comparison, ExperimentComparison


def require_conditions(comparison: Comparison, labels: Sequence[str]) -> None:
    """Raises UserError for a condition that is not compared, with the reason."""
    from xrobust.report.comparison_tables import is_named

    for label in labels:
        for part in comparison.compared:
            known = {row.label for row in part.estimates}
            reasons = [item.reason for item in part.not_compared if is_named(item, [label])]
            if not any(is_named(row, [label]) for row in part.estimates):
                raise UserError(f"--condition {label}: {reasons[0] if reasons else did_you_mean(label, known)}")


def with_conditions(document: ExperimentComparison, labels: Sequence[str]) -> ExperimentComparison:
    """The document with those comparisons alone that have the conditions. Raises UserError where none has them."""
    from xrobust.results.comparing.document import PartNotCompared

    kept, refused = [], list(document.not_compared)
    reasons: list[UserError] = []
    for comparison in document.comparisons:
        try:
            require_conditions(comparison, labels)
            kept.append(comparison)
        except UserError as error:
            reasons.append(error)
            model = comparison.baseline.model
            refused.append(PartNotCompared(task=comparison.task, model=model, reason=str(error)))
    if not kept:
        raise reasons[0]
    return document.model_copy(update={"comparisons": kept, "not_compared": refused})


def comparison_text(comparison: Comparison, conditions: Sequence[str], form: Format) -> str:
    """One comparison: tables with remarks, or CSV or JSON; with `conditions` those language by language."""
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


def experiment_text(document: ExperimentComparison, conditions: Sequence[str], form: Format) -> str:
    """The comparisons of an experiment, each under a heading; in CSV all rows, with the model as their first column."""
    from xrobust.report.comparison_tables import experiment_csv

    if form is Format.json:
        return document.text()
    if form is Format.csv:
        for part in document.not_compared:
            say(f"not compared: {part.task}, {part.model}: {part.reason}", error=True)
        return experiment_csv(document)
    sections = [
        _heading(one.task, one.baseline.model, form) + comparison_text(one, conditions, form)
        for one in document.comparisons
    ]
    sections += [
        _heading(part.task, part.model, form) + remarks_text([f"NOT COMPARED: {part.reason}"], form)
        for part in document.not_compared
    ]
    return "\n".join(sections)


def _heading(task: str, model: str, form: Format) -> str:
    from xrobust.report.tables import markdown_text

    if form is Format.markdown:
        return f"## {markdown_text(f'{task}, {model}')}\n\n"
    line = printable(f"{task}, {model}")
    return f"% {line}\n" if form is Format.latex else f"{line}\n{'=' * len(line)}\n\n"


def _remarks(part: ComparedWith) -> list[str]:
    """Lines below the tables: sentences, counts of languages that differ, conditions that are not compared."""
    counts = [
        f"{part.other.name}, {count.label}: at least {count.better} of {count.languages} are better, at least "
        f"{count.worse} worse (95% confidence)"
        for count in part.counts
    ]
    left = [f"{part.other.name}: {item.label} is not compared: {item.reason}" for item in part.not_compared]
    return [*part.sentences, *counts, *left]
