"""Flat rows on runs and on groups of runs: what lists and tables of them are made of. Scores are fractions of 1."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xrobust.results.runs import Group, grouped
from xrobust.results.schema import RunResult
from xrobust.results.select import FoundRun, each_once

Row = dict[str, Any]
"""Names -> numbers, strings, lists of numbers, or None."""


def run_row(run: FoundRun, folder: Path) -> Row:
    """One run: what it is, its state, and its main metric averaged over languages. `path` is relative to `folder`."""
    result, summary = run.result, run.result.summary
    train = result.spec.train
    return {
        "run_id": result.run_id,
        "group_id": result.group_id,
        "task": train.task,
        "method": train.method_name,
        "model": result.model.id,
        "source": train.source,
        "seed": train.seed,
        "status": result.status,
        "error": result.error,
        "metric": summary.metric if summary else None,
        "average": summary.average if summary else None,
        "languages": summary.languages if summary else 0,
        "sample": result.sample,
        "updated": result.updated,
        "path": run.folder.relative_to(folder).as_posix(),
    }


def group_rows(runs: Sequence[FoundRun]) -> list[Row]:
    """A row for each group: mean and standard deviation over the seeds of its complete runs.

    A run whose document is there twice counts once. A seed's score is the main metric averaged over the languages that
    all complete runs of the group were scored in, on the same test rows. The standard deviation is that of a sample
    (n - 1); None for one seed.
    """
    complete, _ = each_once(run for run in runs if _is_complete(run.result))
    known = {run.result.run_id for run in complete}
    others, _ = each_once(run for run in runs if run.result.run_id not in known)
    return [_group_row(group) for group in grouped(run.result for run in (*complete, *others))]


def _group_row(group: Group) -> Row:
    complete = [result for result in group.results if _is_complete(result)]
    averages, languages = _averages(complete)
    return {
        "group_id": group.group_id,
        "task": group.train.task,
        "method": group.method,
        "model": group.results[0].model.id,
        "source": group.train.source,
        "seeds": [result.spec.train.seed for result in complete],
        "metric": complete[0].main_metric if complete else None,
        "mean": statistics.fmean(averages) if averages else None,
        "sd": statistics.stdev(averages) if len(averages) > 1 else None,
        "languages": languages,
        "sample": any(result.sample for result in group.results),
        "states": dict(Counter(result.status for result in group.results)),
    }


def _is_complete(result: RunResult) -> bool:
    return result.status == "complete" and bool(result.scores)


def _averages(results: Sequence[RunResult]) -> tuple[list[float], int]:
    """Each run's main metric averaged over the languages that all runs have on the same rows, and their number."""
    if not results:
        return [], 0
    metric = results[0].main_metric
    tables = [
        {
            (row.name, row.rows_sha256, row.metric_version): row.value
            for row in result.clean_scores()
            if row.metric == metric
        }
        for result in results
    ]
    common = sorted(set.intersection(*(set(table) for table in tables)))
    return [statistics.fmean(table[key] for key in common) for table in tables if common], len(common)
