"""The rates of tests.benchmarks.comparison_coverage as Markdown tables; in percent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .measuring import table

TARGETS = ("average", "single", "drop")
SEEDS = ("2", "3", "5", "10", "5 and 3")
OTHERS = ("t over languages", "pooled sentences", "bootstrap", "McNemar")

Record = dict[str, Any]


def by_design(records: Sequence[Record]) -> str:
    """Everything: a line for each design and number of seeds."""
    head = ["regime", "metric", "test sets", "languages x n", "seeds"]
    head += [f"{target} covered" for target in (*TARGETS, "level")] + [f"{target} false" for target in TARGETS]
    head += ["+-", "df", "power", "at the median", "variance / true", *OTHERS]
    rows = []
    for record in records:
        missed, rejected = record["not covered"], record["rejected"]
        sets = record["test sets"] + (", paired seeds" if record["paired seeds"] else "")
        size = f"{record['languages']} x {record['examples']}"
        row: list[object] = [record["regime"], record["metric"], sets, size, record["seeds"]]
        row += [f"{100 - 100 * missed[target][0]:.1f}" for target in (*TARGETS, "level")]
        row += [f"{100 * rejected[target][0]:.1f}" for target in TARGETS]
        row += [f"{196 * rejected['average'][1]:.1f}", f"{record['df, median']:.1f}"]
        row += [
            f"{100 * record['power']['of another'][0]:.0f}",
            f"{100 * record['power']['of the median'][0]:.0f}",
            record["mean variance over true"],
        ]
        row += [f"{100 * rejected[name][0]:.0f}" if name in rejected else "" for name in OTHERS]
        rows.append(row)
    return table(head, rows)


def worst(records: Sequence[Record]) -> str:
    """A line for each regime, metric and kind of test sets; the worst of all sizes, of average, single and drop.

    By number of seeds the lowest coverage of 95% intervals and the highest rate of false positives at 5%; for 2 seeds
    also that rate with Welch's degrees of freedom as they are. Of other tests the range over sizes of false positives
    for the average, 5 seeds a side (McNemar: one).
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        sets = record["test sets"] + (", paired seeds" if record["paired seeds"] else "")
        groups.setdefault((record["regime"], record["metric"], sets), []).append(record)
    head = ["larger variance", "metric", "test sets", *(f"{s} seeds" for s in SEEDS), "2, Welch", *OTHERS]
    rows = []
    for names, group in groups.items():
        by_seeds = {seeds: [record for record in group if record["seeds"] == seeds] for seeds in SEEDS}
        row: list[object] = list(names)
        row += [f"{_covered(some):.1f}, {_false(some):.1f}" if some else "" for some in by_seeds.values()]
        row.append(f"{_false(by_seeds['2'], ', Welch'):.1f}")
        row += [_range(record["rejected"].get(name) for record in by_seeds["5"]) for name in OTHERS]
        rows.append(row)
    return table(head, rows)


def _covered(records: Sequence[Record]) -> float:
    return 100 - 100 * max(record["not covered"][target][0] for record in records for target in TARGETS)


def _false(records: Sequence[Record], by: str = "") -> float:
    return 100 * max(record["rejected"][target + by][0] for record in records for target in TARGETS)


def _range(rates: Iterable[list[float] | None]) -> str:
    """Lowest to highest, in whole percent."""
    found = [round(100 * rate[0]) for rate in rates if rate is not None]
    if not found:
        return ""
    return f"{min(found)}" if min(found) == max(found) else f"{min(found)}-{max(found)}"
