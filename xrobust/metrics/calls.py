"""Calls into a metric, which may be a plugin's: copies go in, and what comes out is checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.example import copied_value
from xrobust.contracts.kind import Prediction
from xrobust.contracts.metric import Metric, WholeSetMetric
from xrobust.errors import PluginError


def statistics_of(
    metric: Metric,
    references: Sequence[Any],
    predictions: Sequence[Any],
    labels: Sequence[str],
    ids: Sequence[str] | None = None,
) -> np.ndarray:
    """`metric.statistics` of copies: (examples, k), float64, or object for a `WholeSetMetric`.

    `predictions` are labels, or for a metric that `needs_probabilities` objects of `Prediction`.
    `ids` are those of the examples, for messages. Raises PluginError, which names the example if one can be told, where
    it raises or gives another number of rows, another shape, or what is no finite number.
    """
    try:
        with calling(metric, "statistics"):
            rows = metric.statistics(_copies(references), _copies(predictions), tuple(labels))
    except PluginError as error:
        raise _at_example(error, metric, references, predictions, labels, ids) from error.__cause__
    if (problem := _misfit(metric, rows, len(references))) is not None:
        raise blamed(metric, "statistics", "", problem)
    if rows.dtype != object:
        (wrong,) = np.nonzero(~np.isfinite(rows).all(axis=1))
        if len(wrong):
            first = wrong[0]
            where = _place(first, ids)
            raise blamed(metric, "statistics", where, f"it gives {rows[first].tolist()}; finite numbers are expected")
    return rows


def statistics_of_predictions(
    metric: Metric,
    references: Sequence[Any],
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    ids: Sequence[str] | None = None,
) -> np.ndarray:
    """`statistics_of` predictions of a model, of which the metric is given as much as it asks for."""
    given = predictions if metric.needs_probabilities else [prediction.value for prediction in predictions]
    return statistics_of(metric, references, given, labels, ids)


def score_of(metric: Metric, counts: np.ndarray) -> np.ndarray:
    """`metric.score` of summed counts (..., k): (..., outputs). Raises PluginError where it fails or has another shape.

    The scores may be no numbers, as those of a bootstrap draw may.
    """
    with calling(metric, "score"):
        values = metric.score(counts)
    expected = (*counts.shape[:-1], len(metric.outputs))
    if not isinstance(values, np.ndarray) or values.shape != expected or values.dtype.kind not in "fiu":
        raise blamed(metric, "score", "", f"it gives {_described(values)}; a float64 array of {expected} is expected")
    return values


def score_set_of(metric: WholeSetMetric, rows: np.ndarray) -> np.ndarray:
    """`metric.score_set` of rows of references and predictions: float64 (outputs,). Raises PluginError."""
    with calling(metric, "score_set"):
        found = metric.score_set(_copies(rows[:, 0]), _copies(rows[:, 1]))
    try:
        values = np.array([float(value) for value in found])
    except (TypeError, ValueError):
        raise blamed(metric, "score_set", "", f"it gives {_described(found)}; a list of numbers is expected") from None
    if len(values) != len(metric.outputs):
        raise blamed(metric, "score_set", "", f"it gives {len(values)} values for its {len(metric.outputs)} `outputs`")
    return values


def values_of(scorer: Metric, rows: np.ndarray) -> np.ndarray:
    """The scores of a set of examples, (outputs,), from the statistics of each: (examples, k)."""
    if isinstance(scorer, WholeSetMetric):
        return score_set_of(scorer, rows)
    return score_of(scorer, rows.sum(axis=0))


def ratio_of(metric: Metric, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """`metric.ratio` of counts (..., k): two arrays (...), or None. Raises PluginError."""
    with calling(metric, "ratio"):
        parts = metric.ratio(counts)
    if parts is None:
        return None
    shapes = [getattr(part, "shape", None) for part in parts] if isinstance(parts, tuple | list) else []
    if shapes != [counts.shape[:-1]] * 2:
        raise blamed(
            metric, "ratio", "", f"it gives {_described(parts)}; two arrays of {counts.shape[:-1]} are expected"
        )
    numerator, denominator = parts
    return numerator, denominator


def _copies(values: Iterable[Any]) -> list[Any]:
    return [value if isinstance(value, str) else _copy(value) for value in values]


def _copy(value: Any) -> Any:
    if isinstance(value, Prediction):
        return Prediction(copied_value(value.value), list(value.scores))
    return copied_value(value)


def _at_example(
    error: PluginError,
    metric: Metric,
    references: Sequence[Any],
    predictions: Sequence[Any],
    labels: Sequence[str],
    ids: Sequence[str] | None,
) -> PluginError:
    """The error at the first example that fails for itself; the error as it is where none does."""
    for row, (reference, prediction) in enumerate(zip(references, predictions, strict=False)):
        try:
            with calling(metric, "statistics", _place(row, ids)):
                metric.statistics(_copies([reference]), _copies([prediction]), tuple(labels))
        except PluginError as first:
            return first
    return error


def _place(row: int, ids: Sequence[str] | None) -> str:
    return f"row {row}" if ids is None else f"example {ids[row]}"


def _misfit(metric: Metric, rows: object, examples: int) -> str | None:
    """Reason that statistics are not those of so many examples, in a few words, or None."""
    whole_set = isinstance(metric, WholeSetMetric)
    expected = "an object array" if whole_set else "a float64 array"
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in ("O" if whole_set else "fiub"):
        return f"it gives {_described(rows)}; {expected} of (examples, k) is expected"
    if rows.ndim != 2:
        return f"it gives an array of shape {rows.shape}; (examples, k) is expected"
    return None if len(rows) == examples else f"it gives {len(rows)} rows for {examples} examples"


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of {value.shape}"
    return f"a {type(value).__name__}"
