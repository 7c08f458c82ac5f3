"""The tables of docs/robustness.md, from runs that were scored under perturbations: means over seeds.

    python -m tests.benchmarks.robustness_table RUNS

One line a method and condition (averaged over target languages), then one a language.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xrobust.results.runs import find_runs, grouped
from xrobust.results.schema import RunResult, mean
from xrobust.results.sections import ScoreRow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    groups = sorted(grouped(find_runs(parser.parse_args().runs)[0]), key=lambda group: group.method != "vanilla")
    print("| method | seeds | condition | languages | coverage | clean | score | drop | whole test set |")
    print("|---|---|---|---|---|---|---|---|---|")
    for group in groups:
        labels = [row.label for row in group.results[0].summary.robustness] if group.results[0].summary else []
        averages = [result.summary.average_targets for result in group.results if result.summary]
        seeds = " ".join(map(str, group.seeds))
        print(f"| {group.method} | {seeds} | clean | | | {_percent(mean(averages))} | | | |")
        for label in labels:
            rows = [r for result in group.results if result.summary for r in result.summary.robustness]
            rows = [row for row in rows if row.label == label]
            columns = [
                [r.coverage for r in rows],
                [r.clean for r in rows],
                [r.value for r in rows],
                [r.drop for r in rows],
                [r.value_all for r in rows],
            ]
            cells = " | ".join(_percent(mean(column)) for column in columns)
            print(f"| {group.method} | {seeds} | {label} | {rows[0].languages} | {cells} |")
    for group in groups:
        print(f"\n{group.method}: clean score, and the drop under each condition")
        _by_language(group.results)


def _by_language(results: tuple[RunResult, ...]) -> None:
    conditions = [row.label for row in results[0].summary.robustness] if results[0].summary else []
    print("| language | clean | " + " | ".join(conditions) + " |")
    print("|---|---|" + "---|" * len(conditions))
    source = results[0].spec.train.source
    for language in sorted(results[0].scored(), key=lambda code: (code != source, code)):
        clean = mean(result.value(language) for result in results)
        drops = [mean(row.drop for row in _rows(results, language, label)) for label in conditions]
        print(f"| {language} | {_percent(clean)} | " + " | ".join(map(_percent, drops)) + " |")


def _rows(results: tuple[RunResult, ...], language: str, label: str) -> list[ScoreRow]:
    rows = [row for result in results for row in result.main_scores()]
    return [row for row in rows if (row.language, row.label) == (language, label)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
