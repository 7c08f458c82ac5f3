"""Methods beside vanilla at equal steps and at equal epochs, clean and under every condition.

    python -m tests.benchmarks.budget_table RUNS

The tables of docs/measured.md. Scores are means over target languages and seeds, in points; a difference has its 95%
interval with seeds taken as separate, and as pairs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks.measuring import table
from xrobust import compare
from xrobust.report.budget_columns import BUDGET_COLUMNS, budget_cells
from xrobust.results.budgets import EqualIn, equal_in, how_equal, spent_budget
from xrobust.results.comparing.document import Comparison, Estimate
from xrobust.results.runs import Group, find_runs, grouped


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    runs = parser.parse_args().runs
    groups = grouped(find_runs([runs])[0])
    for task in dict.fromkeys(group.train.task for group in groups):
        its = [group for group in groups if group.train.task == task]
        vanilla = [group for group in its if group.names == ("vanilla",)]
        print(f"\n### {task}: training budgets, mean over seeds\n")
        print(table(["method", "seeds", *BUDGET_COLUMNS], [_budget(group) for group in its]))
        kinds: tuple[EqualIn, ...] = ("steps", "epochs")
        for kind in kinds:
            rows = []
            for baseline in vanilla:
                fitting = [one for one in its if one.names != ("vanilla",) and kind in _equal(one, baseline)]
                rows += [row for one in fitting for row in _differences(runs, baseline, one)]
            if rows:
                print(f"\n### {task}: {how_equal([kind])}\n")
                print(
                    table(
                        [
                            "method",
                            "condition",
                            "steps",
                            "languages",
                            "vanilla",
                            "method's",
                            "difference",
                            "paired seeds",
                        ],
                        rows,
                    )
                )


def _equal(one: Group, other: Group) -> tuple[EqualIn, ...]:
    return equal_in([spent_budget(one.results), spent_budget(other.results)])


def _budget(group: Group) -> list[str]:
    return [group.method, " ".join(map(str, group.seeds)), *budget_cells(spent_budget(group.results))]


def _differences(runs: Path, baseline: Group, one: Group) -> list[list[str]]:
    """The rows of a method: its scores over target languages under each condition, and the source's on clean text."""
    separate, paired = (
        compare(baseline.group_id, one.group_id, runs=runs, budget="any", paired_seeds=paired)
        for paired in (False, True)
    )
    rows = []
    for row in _rows(separate):
        twin = next(
            other
            for other in _rows(paired)
            if (other.label, other.quantity, other.name) == (row.label, row.quantity, row.name)
        )
        budget, other_budget = spent_budget(baseline.results), spent_budget(one.results)
        assert budget is not None and other_budget is not None
        steps = str(budget.steps) if budget.steps == other_budget.steps else f"{budget.steps}, {other_budget.steps}"
        name = f"{row.label}, source" if row.over == "language" else row.label
        name = f"drop, {name}" if row.quantity == "drop" else name
        rows.append(
            [
                one.method,
                name,
                steps,
                str(row.test_sets),
                f"{100 * row.baseline:.2f} ± {100 * (row.baseline_sd or 0):.2f}",
                f"{100 * row.other:.2f} ± {100 * (row.other_sd or 0):.2f}",
                f"{100 * row.difference:+.2f} ({_interval(row)})",
                _interval(twin),
            ]
        )
    return rows


def _rows(comparison: Comparison) -> list[Estimate]:
    """The averages over target languages, and the source language on clean text."""
    (part,) = comparison.compared
    source = comparison.baseline.source
    over_targets = {r.label for r in part.estimates if r.over == "targets"}
    return [
        r
        for r in part.estimates
        if r.over == "targets"
        or (r.over == "average" and r.label not in over_targets)  # of target languages alone
        or (r.language == source and r.label == "clean")
    ]


def _interval(row: Estimate) -> str:
    if row.ci_low is None or row.ci_high is None:
        return "-"
    return f"{100 * row.ci_low:+.2f} to {100 * row.ci_high:+.2f}"


if __name__ == "__main__":
    main()
