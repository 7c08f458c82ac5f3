"""The table of a transfer report: native and cross-lingual training side by side."""

from __future__ import annotations

from xrobust.cli.table import print_table
from xrobust.experiments.transfer_report import Line, TransferReport
from xrobust.report.format import percent
from xrobust.runtime.screen import say

SHARES = {"chunks": "entities", "entities": "entity tokens", "words": "words"}
"""Fields of an overlap -> their names in the table."""


def print_report(report: TransferReport) -> None:
    """Prints a line a pair and setting: clean score, score under each perturbation with the drop, and overlap."""
    scored = [line for line in report.lines if line.missing is None]
    labels = list(dict.fromkeys(label for line in scored for label in line.coverage))
    worst = list(dict.fromkeys(label for line in scored for label in line.worst_case))
    shares = [name for name in SHARES if any(line.overlap.get(name) is not None for line in scored)]
    columns = ["pair", "setting", f"clean {report.metric}", *labels, *worst]
    columns += [f"shared {SHARES[name]}" for name in shares]
    say()
    print_table(columns, [_cells(line, labels, worst, shares) for line in scored])
    over = f"means over {len(report.seeds)} seeds; " if len(report.seeds) > 1 else ""
    say(
        f"{over}over all test sentences, in parentheses the drop and n, the changed sentences; shared: of the "
        "test set with training, in percent"
    )
    if any(_is_small(line, label) for line in scored for label in line.perturbed):
        least = max(line.min_examples for line in scored)
        say(f"* fewer than {least} changed sentences (robustness.min_examples): read nothing into this drop")
    for line in report.lines:
        if line.missing is not None:
            say(f"{line.pair} {line.setting} cannot be run: {line.missing}")
        for label, reason in line.not_covered.items():
            say(f"{line.pair} {line.setting}: {label} does not cover {line.pair.partition(':')[2]}: {reason}")


def _cells(line: Line, labels: list[str], worst: list[str], shares: list[str]) -> list[str]:
    cells = [line.pair, line.setting, percent(line.clean)]
    for label in labels:
        cells.append(_cell(line, label) if label in line.perturbed else "-")
    cells += [percent(line.worst_case.get(label)) for label in worst]
    return [*cells, *(percent(line.overlap.get(name)) for name in shares)]


def _cell(line: Line, label: str) -> str:
    """Score under a perturbation, drop and changed sentences, with a mark where these are few."""
    score, drop = percent(line.perturbed[label]), percent(line.drop[label])
    return f"{score} ({drop}, n {line.examples[label]}){'*' * _is_small(line, label)}"


def _is_small(line: Line, label: str) -> bool:
    return line.examples[label] < line.min_examples
