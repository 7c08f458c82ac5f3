"""Tables of a comparison: by language on clean text, and averages under each condition."""

from __future__ import annotations

from collections.abc import Collection

from xrobust.report.budget_columns import BUDGET_COLUMNS, budget_cells
from xrobust.report.format import percent
from xrobust.report.tables import Table, csv_text
from xrobust.results.budgets import how_equal
from xrobust.results.comparing.document import ComparedWith, Comparison, Condition, Estimate, ExperimentComparison


def comparison_tables(comparison: Comparison, conditions: Collection[str] = ()) -> list[Table]:
    """Tables for each side that is compared with the baseline: clean text by language, and the other conditions.

    `conditions` are labels of those to show by language, or `worst_case` for all worst cases; clean text alone by
    default. Scores are shown times 100. The last table has the training budgets of all sides.
    """
    tables = []
    for part in comparison.compared:
        by_language = [row for row in part.estimates if is_named(row, conditions or ("clean",))]
        for label in dict.fromkeys(row.label for row in by_language):
            for quantity in ("score", "drop"):
                rows = [row for row in by_language if (row.label, row.quantity) == (label, quantity)]
                if rows:
                    name = comparison.metric if quantity == "score" else "drop"
                    tables.append(_table(comparison, part, rows, f"{name}, {label}"))
        averages = [row for row in part.estimates if row.over in ("average", "targets") and row not in by_language]
        if averages and not conditions:
            tables.append(_table(comparison, part, averages, "under each condition", named=True))
    return [*tables, _budgets(comparison)]


def _budgets(comparison: Comparison) -> Table:
    """The budget that each side was trained with, and in what its budget equals that of the baseline."""
    sides = [(comparison.baseline, "baseline"), *((part.other, _equal(part)) for part in comparison.compared)]
    return Table(
        f"{comparison.task}: training budgets",
        ["", "budget", *BUDGET_COLUMNS],
        [[side.name, equal, *budget_cells(side.budget)] for side, equal in sides],
    )


def _equal(part: ComparedWith) -> str:
    """Words for the ways in which a side's budget equals the baseline's, as tables say it."""
    if not part.budgets_differ or not part.equal:
        return how_equal(part.equal)
    return f"BUDGETS DIFFER ({how_equal(part.equal)})"


def is_named(condition: Condition, names: Collection[str]) -> bool:
    """True for a condition whose label is among the names, and for every worst case where `worst_case` is."""
    return condition.label in names or (condition.condition == "worst_case" and condition.condition in names)


def small_samples(comparison: Comparison) -> list[str]:
    """Lines under the tables on the test sets that are in no average."""
    left_out = {(row.label, row.name): row.n for part in comparison.compared for row in part.estimates if row.few}
    if not left_out:
        return []
    lines = [f"* fewer than {comparison.min_examples} changed examples (robustness.min_examples): in no average"]
    for label in dict.fromkeys(label for label, _ in left_out):
        names = ", ".join(f"{name} ({n})" for (its, name), n in left_out.items() if its == label)
        lines.append(f"* under {label}: {names}")
    return lines


def _table(
    comparison: Comparison, part: ComparedWith, rows: list[Estimate], what: str, *, named: bool = False
) -> Table:
    seeds = f"{len(comparison.baseline.seeds)} and {len(part.other.seeds)} seeds"
    marks = [_equal(part)] + ["SAMPLE DATA"] * part.other.sample
    marks += ["COMMON LANGUAGES ONLY"] * comparison.common_only
    title = (
        f"{comparison.task}: {part.other.name} beside {comparison.baseline.name}, {what} ({'; '.join([seeds, *marks])})"
    )
    columns = [
        "",
        comparison.baseline.name,
        part.other.name,
        "difference",
        "95% interval",
        "p",
        "Holm",
        "detectable",
        "examples",
    ]
    checked = any(row.bootstrap_low is not None for row in rows)
    if checked:
        columns.insert(5, "bootstrap")
    return Table(title, columns, [_row(comparison, row, named=named, checked=checked) for row in rows])


def _row(comparison: Comparison, row: Estimate, *, named: bool, checked: bool) -> list[str]:
    cells = [
        _name(comparison, row, named=named),
        _level(row.baseline, row.baseline_sd),
        _level(row.other, row.other_sd),
        percent(row.difference, signed=True),
        _interval(row.ci_low, row.ci_high),
        probability(row.p),
        probability(row.p_holm),
        percent(row.detectable),
        f"{row.n}{'*' * row.few}",
    ]
    if checked:
        cells.insert(5, _interval(row.bootstrap_low, row.bootstrap_high))
    return cells


def _name(comparison: Comparison, row: Estimate, *, named: bool) -> str:
    name = row.name
    if row.over in ("average", "targets"):
        name = f"{name} ({row.test_sets})"
    elif row.language == comparison.baseline.source:
        name = f"{name} (source)"
    if not named:
        return name
    return f"{row.label}{', drop' if row.quantity == 'drop' else ''}, {name}"


def _level(mean: float, sd: float | None) -> str:
    return percent(mean) if sd is None else f"{percent(mean)} ± {percent(sd)}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None else f"{percent(low, signed=True)} to {percent(high, signed=True)}"


def probability(p: float | None) -> str:
    """A p-value with three digits after the point; `-` where there is none."""
    if p is None:
        return "-"
    return "<.001" if p < 0.001 else f"{p:.3f}"


def trained_models_tables(comparison: Comparison) -> list[Table]:
    """Tables of McNemar's tests, of comparisons of two single runs."""
    return [_trained_models(comparison, part) for part in comparison.compared if part.trained_models]


def _trained_models(comparison: Comparison, part: ComparedWith) -> Table:
    unit = part.trained_models[0].unit
    return Table(
        f"are these two trained models different? McNemar's exact test over {unit}; it says nothing of the methods",
        ["", "examples", f"only {comparison.baseline.name}", f"only {part.other.name}", "p", "Holm"],
        [
            [
                row.language or ":".join(row.pair or ()),
                str(row.examples),
                str(row.only_baseline),
                str(row.only_other),
                probability(row.p),
                probability(row.p_holm),
            ]
            for row in part.trained_models
        ],
    )


ABOUT = ("task", "metric", "baseline_name", "other_name", "budgets_differ", "sample", "common_only")
"""Columns of the comparison that an estimate is of."""


def comparison_csv(comparison: Comparison) -> str:
    """All estimates, a row each, numbers as the document has them: fractions of 1."""
    return csv_text([*ABOUT, *Estimate.model_fields], _rows(comparison))


def experiment_csv(document: ExperimentComparison) -> str:
    """All estimates of all comparisons, a row each, with the model that was trained in the first column."""
    rows = [[one.baseline.model, *row] for one in document.comparisons for row in _rows(one)]
    return csv_text(["model", *ABOUT, *Estimate.model_fields], rows)


def _rows(comparison: Comparison) -> list[list[object]]:
    return [
        [
            *(comparison.task, comparison.metric, comparison.baseline.name, part.other.name),
            *(part.budgets_differ, part.other.sample, comparison.common_only),
            *_plain(row),
        ]
        for part in comparison.compared
        for row in part.estimates
    ]


def _plain(row: Estimate) -> list[object]:
    values = [getattr(row, name) for name in Estimate.model_fields]
    return [":".join(value) if isinstance(value, tuple) else value for value in values]
