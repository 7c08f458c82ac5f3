"""Entries of a leaderboard: runs that differ in their seed alone, with means, spreads and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xrobust.metrics.inference import ALPHA, FEWEST_SEEDS, array_degrees_of_freedom
from xrobust.results.board.document import BudgetClass, ConditionScore, Cost, Entry, EntryRun, TestSetScore
from xrobust.results.board.record import Measured, RunRecord, Test, condition
from xrobust.results.board.variances import ExampleVariances
from xrobust.results.schema import mean

ZERO_SHOT = ["source"]
"""Supervision of strict zero-shot transfer."""
SEVERAL = "\n"
"""Between the values of several runs, in a record that was made of an entry."""


def shared_tests(runs: Sequence[RunRecord]) -> dict[tuple[str, str | None, str | None, bool], list[Test]]:
    """For each condition the test sets that all runs have, on the same rows, in a fixed order."""
    found: dict[tuple[str, str | None, str | None, bool], list[Test]] = {}
    for test in sorted(runs[0].scores, key=lambda t: tuple(part or "" for part in t)):
        rows = {
            (run.scores[test].rows, run.scores[test].metric_version) if test in run.scores else None for run in runs
        }
        if len(rows) == 1 and None not in rows:
            found.setdefault(test.under, []).append(test)
    return found


def make_entry(entry_id: str, runs: Sequence[RunRecord], variances: ExampleVariances) -> Entry:
    """The entry of some runs, without its board, name and ranks, which depend on other entries."""
    first = runs[0]
    tests = shared_tests(runs)
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
        conditions=[_condition(entry_id, runs, under, its, variances) for under, its in tests.items()],
        scores=_test_sets(runs, [test for its in tests.values() for test in its]),
    )


def _packages(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    names = sorted({name for run in runs for name in run.packages})
    return {
        name: sorted({version for run in runs for version in run.packages.get(name, "").split(SEVERAL) if version})
        for name in names
    }


def _condition(
    entry_id: str,
    runs: Sequence[RunRecord],
    under: tuple[str, str | None, str | None, bool],
    tests: Sequence[Test],
    variances: ExampleVariances,
) -> ConditionScore:
    values = np.array([[run.scores[test].value for test in tests] for run in runs])
    means = values.mean(axis=1)
    examples = variances.level(entry_id, tests)
    low, high = intervals(means[:, None], np.array([examples.variance]), np.array([examples.df]))
    targets = [i for i, test in enumerate(tests) if test.language != runs[0].source]
    sources = [i for i, test in enumerate(tests) if test.language == runs[0].source]
    pairs = under[3]
    of_targets = float(values[:, targets].mean()) if targets and not pairs else None
    gap = float(values[:, sources].mean()) - of_targets if sources and of_targets is not None else None
    everything = {test.name for run in runs for test in run.scores if test.under == under}
    return ConditionScore(
        **condition(under).model_dump(),
        test_sets=len(tests),
        values=[float(value) for value in means],
        mean=float(means.mean()),
        sd=float(means.std(ddof=1)) if len(runs) > 1 else None,
        ci_low=_number(low[0]),
        ci_high=_number(high[0]),
        targets=of_targets,
        transfer_gap=gap if under[0] == "clean" else None,
        drop=_drop(runs, tests),
        examples_variance=examples.variance,
        examples_df=examples.df,
        some_runs_only=sorted(everything - {test.name for test in tests}),
        rank=None,
        unranked=None,
    )


def _drop(runs: Sequence[RunRecord], tests: Sequence[Test]) -> float | None:
    """Mean drop from clean text over runs and test sets."""
    clean = [run.scores[test].clean_value for run in runs for test in tests]
    under = mean(run.scores[test].value for run in runs for test in tests)
    before = mean(value for value in clean)
    return None if None in clean or before is None or under is None else before - under


def _test_sets(runs: Sequence[RunRecord], tests: Sequence[Test]) -> list[TestSetScore]:
    values = np.array([[run.scores[test].value for test in tests] for run in runs])
    errors = np.array([[run.scores[test].examples_se for test in tests] for run in runs]).mean(axis=0)
    sizes = [runs[0].scores[test].n for test in tests]
    low, high = intervals(values, errors**2, np.maximum(np.array(sizes) - 1.0, 1.0))
    found = []
    for i, test in enumerate(tests):
        clean = [run.scores[test].clean_value for run in runs]
        first = runs[0].scores[test]
        found.append(
            TestSetScore(
                **test.key.model_dump(),
                values=[float(value) for value in values[:, i]],
                clean_values=None if None in clean else [float(value or 0) for value in clean],
                mean=float(values[:, i].mean()),
                sd=float(values[:, i].std(ddof=1)) if len(runs) > 1 else None,
                ci_low=_number(low[i]),
                ci_high=_number(high[i]),
                examples_se=float(errors[i]),
                n=first.n,
                rows=first.rows,
                metric_version=first.metric_version,
            )
        )
    return found


def intervals(values: np.ndarray, examples: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% intervals of means over seeds, for new seeds and examples: (columns,) each; NaN for a single seed.

    `values` are (seeds, columns); `examples` and `df` the part of the variance that comes from test examples. As
    `xrobust.metrics.inference.infer`, for many at once.
    """
    from scipy.stats import t

    count = len(values)
    if count < FEWEST_SEEDS:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    seeds = values.var(axis=0, ddof=1) / count
    variance = seeds + examples
    freedom = array_degrees_of_freedom([(seeds, count - 1)], (examples, df))
    half = t.ppf(1 - ALPHA / 2, freedom) * np.sqrt(variance)
    return values.mean(axis=0) - half, values.mean(axis=0) + half


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def records_of(entry: Entry) -> list[RunRecord]:
    """The records of an entry's runs, as far as the document has them: what merging and verifying begin with."""
    return [_record(entry, i) for i in range(len(entry.runs))]


def _record(entry: Entry, i: int) -> RunRecord:
    run = entry.runs[i]
    scores = {}
    for row in entry.scores:
        test = Test(row.condition, row.perturbation, row.attack, row.language, ":".join(row.pair) if row.pair else None)
        clean = None if row.clean_values is None else row.clean_values[i]
        scores[test] = Measured(row.values[i], clean, row.examples_se, row.n, row.rows, row.metric_version)
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
        seconds=run.seconds,
        peak_memory_bytes=run.peak_memory_bytes,
        selected_step=run.selected_step,
        device=SEVERAL.join(entry.cost.devices),
        packages={name: SEVERAL.join(versions) for name, versions in entry.packages.items()},
        sample=entry.sample,
        metric=entry.metric,
        scores=scores,
    )
