"""Entries of a leaderboard: runs that differ in their seed alone, with means, spreads and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xrobust.metrics.inference import ALPHA, FEWEST_SEEDS, Part, array_degrees_of_freedom
from xrobust.results.board.document import BudgetClass, ConditionScore, Cost, Entry, EntryRun, TestSetScore
from xrobust.results.board.record import RunRecord, Test, Under, condition, condition_columns, layout_of
from xrobust.results.board.scores import EntryScores
from xrobust.results.board.variances import ExampleVariances

ZERO_SHOT = ["source"]
"""Supervision of strict zero-shot transfer."""
SEVERAL = "\n"
"""Between the values of several runs, in a record that was made of an entry."""


def make_entry(entry_id: str, runs: Sequence[RunRecord], scores: EntryScores, variances: ExampleVariances) -> Entry:
    """The entry of some runs, without its board, name and ranks, which depend on other entries."""
    first = runs[0]
    return Entry(
        id=entry_id,
        board="",
        name="+".join(part["name"] for part in first.method),
        task=first.task,
        source=first.source,
        model=first.model,
        model_identity=first.model_identity,
        method=first.method,
        settings=first.settings,
        supervision=first.supervision,
        zero_shot=first.supervision == ZERO_SHOT,
        budget=BudgetClass(steps=first.steps, batch_size=first.batch_size, dev_evaluations=first.dev_evaluations),
        sample=first.sample,
        tuned_trials=first.tuned_trials if len({run.tuned_trials for run in runs}) == 1 else None,
        metric=first.metric,
        runs=[
            EntryRun(
                run_id=run.run_id,
                seed=run.seed,
                sha256=run.sha256,
                updated=run.updated,
                data=run.data,
                data_revision=run.data_revision,
                examples=run.examples,
                tokens=run.tokens,
                processed_tokens=run.processed_tokens,
                seconds=run.seconds,
                peak_memory_bytes=run.peak_memory_bytes,
                selected_step=run.selected_step,
            )
            for run in runs
        ],
        cost=Cost(
            seconds=float(np.mean([run.seconds for run in runs])),
            steps=first.steps,
            parameters=first.parameters,
            trainable_parameters=first.trainable_parameters,
            peak_memory_bytes=max(run.peak_memory_bytes for run in runs),
            devices=sorted({device for run in runs for device in run.device.split(SEVERAL)}),
        ),
        packages=_packages(runs),
        conditions=_conditions(scores, first.source, {u: variances.level(entry_id, u) for u in scores.columns}),
        too_few={condition(under).label: names for under, names in scores.too_few.items()},
        not_in_all_runs=_not_in_all_runs(scores),
        scores=_test_sets(scores),
    )


def _not_in_all_runs(scores: EntryScores) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for under, name in scores.only_some:
        names = found.setdefault(condition(under).label, [])
        if name not in names:
            names.append(name)
    return found


def _packages(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    names = sorted({name for run in runs for name in run.packages})
    return {
        name: sorted({version for run in runs for version in run.packages.get(name, "").split(SEVERAL) if version})
        for name in names
    }


def _conditions(scores: EntryScores, source: str, examples: Mapping[Under, Part]) -> list[ConditionScore]:
    """The averages under each condition; intervals of all at once, which is several times as fast as one by one."""
    columns = scores.columns
    means = np.stack([scores.values[:, its].mean(axis=1) for its in columns.values()], axis=1)
    parts = [examples[under] for under in columns]
    low, high = intervals(means, np.array([p.variance for p in parts]), np.array([p.df for p in parts]))
    several = len(means) > 1
    spread = means.std(axis=0, ddof=1).tolist() if several else [None] * len(parts)
    rows = zip(columns, parts, means.T, means.mean(axis=0).tolist(), spread, low.tolist(), high.tolist(), strict=True)
    return [
        ConditionScore(
            **condition_columns(under),
            **_transfer(scores, under, source),
            test_sets=len(columns[under]),
            values=values.tolist(),
            mean=mean,
            sd=sd,
            ci_low=begin if several else None,
            ci_high=end if several else None,
            examples_variance=part.variance,
            examples_df=part.df,
            some_runs_only=[name for its, name in scores.only_some if its == under],
            rank=None,
            rank_to=None,
            unranked=None,
        )
        for under, part, values, mean, sd, begin, end in rows
    ]


def _transfer(scores: EntryScores, under: Under, source: str) -> dict[str, Any]:
    """Mean over targets, transfer gap and drop under a condition."""
    columns = scores.columns[under]
    values = scores.values[:, columns]
    at_source = [i for i, column in enumerate(columns) if scores.tests[column].test.language == source]
    targets = [i for i in range(len(columns)) if i not in at_source]
    of_targets = float(values[:, targets].mean()) if targets and not under[3] else None
    gap = None
    if at_source and of_targets is not None and under[0] == "clean":
        gap = float(values[:, at_source].mean()) - of_targets
    drop = float((scores.clean[:, columns] - values).mean())
    return {"targets": of_targets, "transfer_gap": gap, "drop": None if np.isnan(drop) else drop}


def _test_sets(scores: EntryScores) -> list[TestSetScore]:
    """A row for each test set, as plain values: pydantic reads thousands of them at once faster than one by one."""
    errors = scores.errors.mean(axis=0)
    sizes = np.array([one.n for one in scores.tests])
    low, high = intervals(scores.values, errors**2, np.maximum(sizes - 1.0, 1.0))
    several = len(scores.values) > 1
    spread = scores.values.std(axis=0, ddof=1).tolist() if several else [None] * len(scores.tests)
    columns = zip(
        scores.tests,
        scores.values.T.tolist(),
        (scores.clean + 0 * scores.clean.sum(axis=0)).T.tolist(),  # NaN for all runs if it is for one
        scores.values.mean(axis=0).tolist(),
        spread,
        low.tolist() if several else spread,
        high.tolist() if several else spread,
        errors.tolist(),
        strict=True,
    )
    return [
        {  # type: ignore[misc]
            "condition": one.test.condition,
            "perturbation": one.test.perturbation,
            "attack": one.test.attack,
            "worst_of": one.test.worst_of.splitlines(),
            "language": one.test.language,
            "pair": one.test.pair.split(":") if one.test.pair else None,
            "values": values,
            "clean_values": None if clean[0] != clean[0] else clean,  # NaN
            "mean": mean,
            "sd": sd,
            "ci_low": begin,
            "ci_high": end,
            "examples_se": error,
            "n": one.n,
            "rows": one.rows,
            "metric_version": one.metric_version,
        }
        for one, values, clean, mean, sd, begin, end, error in columns
    ]


def intervals(values: np.ndarray, examples: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% intervals of means over seeds, for new seeds and examples: (columns,) each; NaN for a single seed.

    `values` are (seeds, columns); `examples` and `df` the part of the variance that comes from test examples. As
    `xrobust.metrics.inference.infer`, for many at once.
    """
    from scipy.special import stdtrit  # the quantile of Student's t, without the checks that take most of t.ppf's time

    count = len(values)
    if count < FEWEST_SEEDS:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    seeds = values.var(axis=0, ddof=1) / count
    variance = seeds + examples
    freedom = array_degrees_of_freedom([(seeds, count - 1)], (examples, df))
    half = stdtrit(freedom, 1 - ALPHA / 2) * np.sqrt(variance)
    return values.mean(axis=0) - half, values.mean(axis=0) + half


def records_of(entry: Entry, least: int) -> list[RunRecord]:
    """The records of an entry's runs, as far as the document has them: what merging and verifying begin with.

    `least` is the document's `min_examples`.
    """
    return [_record(entry, i, least) for i in range(len(entry.runs))]


def _record(entry: Entry, i: int, least: int) -> RunRecord:
    run = entry.runs[i]
    nan = float("nan")
    values = [
        [row.values[i] for row in entry.scores],
        [nan if row.clean_values is None else row.clean_values[i] for row in entry.scores],
        [row.examples_se for row in entry.scores],
    ]
    layout = [[*_test(row), row.rows, row.n, row.metric_version] for row in entry.scores]
    return RunRecord(
        run_id=run.run_id,
        group_id=entry.id,
        sha256=run.sha256,
        updated=run.updated,
        data=run.data,
        data_revision=run.data_revision,
        task=entry.task,
        source=entry.source,
        seed=run.seed,
        model=entry.model,
        model_identity=entry.model_identity,
        parameters=entry.cost.parameters,
        trainable_parameters=entry.cost.trainable_parameters,
        method=entry.method,
        settings=entry.settings,
        supervision=entry.supervision,
        steps=entry.budget.steps,
        batch_size=entry.budget.batch_size,
        dev_evaluations=entry.budget.dev_evaluations,
        examples=run.examples,
        tokens=run.tokens,
        processed_tokens=run.processed_tokens,
        seconds=run.seconds,
        peak_memory_bytes=run.peak_memory_bytes,
        selected_step=run.selected_step,
        tuned_trials=entry.tuned_trials,
        device=SEVERAL.join(entry.cost.devices),
        packages={name: SEVERAL.join(versions) for name, versions in entry.packages.items()},
        sample=entry.sample,
        metric=entry.metric,
        min_examples=least,
        layout=layout_of(layout),
        values=np.array(values),
    )


def _test(row: TestSetScore) -> Test:
    pair = ":".join(row.pair) if row.pair else None
    return Test(row.condition, row.perturbation, row.attack, row.language, pair, "\n".join(row.worst_of))
