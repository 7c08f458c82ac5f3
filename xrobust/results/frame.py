"""Scores of many runs as one table, for pandas."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.results.score_key import pair_name
from xrobust.results.select import FoundRun, path_text, select

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("xrobust")

COLUMNS = {
    "run_id": "string",
    "group_id": "string",
    "task": "string",
    "method": "string",
    "model": "string",
    "source": "string",
    "seed": "int64",
    "condition": "string",
    "perturbation": "string",
    "attack": "string",
    "worst_of": "string",
    "epsilon": "float64",
    "radius": "float64",
    "attack_losses": "string",
    "attack_steps": "Int64",
    "attack_restarts": "Int64",
    "language": "string",
    "pair": "string",
    "metric": "string",
    "metric_version": "int64",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "interval": "string",
    "n": "int64",
    "coverage": "float64",
    "clean_value": "float64",
    "drop": "float64",
    "drop_ci_low": "float64",
    "drop_ci_high": "float64",
    "drop_interval": "string",
    "value_all": "float64",
    "steps": "Int64",
    "examples": "Int64",
    "sample": "bool",
    "folder": "string",
}
"""Columns in their order -> pandas type."""
OF_THE_SCORE = (
    "condition",
    "perturbation",
    "attack",
    "epsilon",
    "radius",
    "attack_losses",
    "attack_steps",
    "attack_restarts",
    "language",
    "metric",
    "metric_version",
    "value",
    "ci_low",
    "ci_high",
    "interval",
    "n",
    "coverage",
    "clean_value",
    "drop",
    "drop_ci_low",
    "drop_ci_high",
    "drop_interval",
    "value_all",
)
"""Columns that are fields of a row of `scores`, with the same meaning."""


def load_results(path: Path | str = "runs", *, where: str | None = None) -> pd.DataFrame:
    """The scores of all complete runs in a folder, a row for each run, test set, condition and metric.

    Columns:
        run_id, group_id, seed: of the run; runs of one group differ in their seed alone.
        task, method, model, source: of the run; method with its parts joined, as in `rs_aug+lora`.
        condition, perturbation, attack, epsilon: `clean`, `perturbed`, `attack` or `worst_case`; the label of the
            perturbation or attack, and the attack's radius in the unit of its parameters.
        radius, attack_losses, attack_steps, attack_restarts: strength of the attack, in the model's own units.
        worst_of: the set of perturbations of a worst case, as in `casing, typos`: group by it, two sets are two
            conditions.
        language, pair: of the test set: one of the two; a pair as in `en:de`.
        metric, metric_version, value, ci_low, ci_high, interval: the score, a fraction of 1, with its 95% interval and
            the interval's method.
        n, coverage: examples scored, and the share of the test set that they are.
        clean_value, drop, drop_ci_low, drop_ci_high, drop_interval, value_all: under a perturbation or attack: the same
            examples on clean text, clean_value - value with its 95% interval and its method, and the score over all
            examples.
        steps, examples: the training budget: optimiser steps, and examples each as often as it was trained on.
        sample: True for the bundled sample data.
        folder: of the run.

    What does not apply is NA or NaN. Types do not depend on what there is (`COLUMNS`).

    Args:
        path: what `xrobust compare` takes too: a folder of runs or a run, a glob, or, over `runs`, an id, a
            filter or the name of an experiment.
        where: filter on top, as in `task=wikiann,seed=1`.

    Runs that are not complete and documents that are damaged are left out, with a warning each in the log. Raises
    UserError where there is nothing at `path`, or nothing fits.
    """
    selection = select(path_text(path), Path("runs"), where=where)
    for one in selection.left_out:
        logger.warning(f"left out: {one.path}: {one.reason}")
    return frame(selection.runs)


def frame(runs: Iterable[FoundRun]) -> pd.DataFrame:
    """The scores of runs as a table. See `load_results`."""
    import pandas as pd

    values: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row in (row for run in runs for row in _rows(run)):
        for name, column in values.items():
            column.append(row[name])
    return pd.DataFrame({name: pd.Series(column, dtype=COLUMNS[name]) for name, column in values.items()})


def _rows(run: FoundRun) -> Iterator[dict[str, Any]]:
    result, train = run.result, run.result.spec.train
    budget = None if result.training is None else result.training.budget
    of_the_run = {
        "run_id": result.run_id,
        "group_id": result.group_id,
        "task": train.task,
        "method": train.method_name,
        "model": result.model.id,
        "source": train.source,
        "seed": train.seed,
        "steps": None if budget is None else budget.steps,
        "examples": None if budget is None else budget.examples,
        "sample": result.sample,
        "folder": str(run.folder),
    }
    for row in result.scores:
        of_the_score = {name: getattr(row, name) for name in OF_THE_SCORE}
        names = {"pair": None if row.pair is None else pair_name(row.pair), "worst_of": ", ".join(row.worst_of) or None}
        yield {**of_the_run, **of_the_score, **names}
