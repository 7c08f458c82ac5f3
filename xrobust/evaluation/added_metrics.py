"""Scores in metrics that a task was given after a run was scored, from the run's saved predictions."""

from __future__ import annotations

import logging

import numpy as np

from xrobust.contracts import Metric, Prediction
from xrobust.errors import PluginError, UserError
from xrobust.evaluation.score_rows import Scored, clean_rows, rows_beside_clean
from xrobust.evaluation.scorer import Scorer, in_order
from xrobust.metrics.calls import statistics_of_predictions
from xrobust.results.attack_strength import strength_of
from xrobust.results.examples import clean_key, shown_key
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow
from xrobust.results.store import read_predictions

logger = logging.getLogger("xrobust")


def add_metrics(scorer: Scorer) -> None:
    """Adds to the document the scores that its test sets lack in the task's metrics, without new predictions.

    A test set whose predictions are lost or changed stays without them, with a warning; the worst case has the main
    metric alone.
    """
    result = scorer.result
    rows = {row.key: row for row in result.main_scores() if row.condition != "worst_case"} if result.scores else {}
    scored = {(row.key, row.metric) for row in result.scores}
    found = []
    for key, row in rows.items():
        lacking = [one for one in scorer.metrics if not all((key, output) in scored for output in one.outputs)]
        if not lacking or result.predictions_of(key) is None:
            continue
        try:
            found += _scores(scorer, row, lacking)
        except (UserError, PluginError) as error:
            names = ", ".join(one.name for one in lacking)
            result.warn(f"{shown_key(key)} is not scored in {names}: {error}")
    if found:
        names = ", ".join(dict.fromkeys(row.metric for row in found))
        logger.info("scores in %s added from saved predictions", names)
        result.scores = in_order([*result.scores, *found], result)


def _scores(scorer: Scorer, row: ScoreRow, metrics: list[Metric]) -> list[ScoreRow]:
    """The scores of a test set in some metrics, with the columns that its main score has."""
    strength = strength_of(row) if row.condition == "attack" else None
    scored = Scored(row.key, row.rows_sha256, row.seconds, row.epsilon, attack=strength)
    ids, statistics = _statistics(scorer, row.key, metrics)
    if row.condition == "clean":
        return clean_rows(scored, metrics, statistics)
    clean_ids, clean = _statistics(scorer, clean_key(row.key), metrics)
    at = {example: i for i, example in enumerate(clean_ids)}
    if (other := next((example for example in ids if example not in at), None)) is not None:
        raise UserError(f"example {other!r} is not among the clean predictions")
    return rows_beside_clean(scored, metrics, clean, [at[example] for example in ids], statistics)


def _statistics(scorer: Scorer, key: ScoreKey, metrics: list[Metric]) -> tuple[list[str], list[np.ndarray]]:
    """Ids of the examples of a test set, and their statistics in each metric, from saved predictions."""
    artifact = scorer.result.predictions_of(key)
    if artifact is None:
        raise UserError(f"the document names no predictions of {shown_key(key)}")
    rows = read_predictions(scorer.folder.path, artifact, scorer.result.examples_of(key))
    ids, gold = [row["id"] for row in rows], [row["label"] for row in rows]
    said = [Prediction(row["prediction"], row["scores"]) for row in rows]
    labels = scorer.task.kind.labels
    return ids, [statistics_of_predictions(one, gold, said, labels, ids) for one in metrics]
