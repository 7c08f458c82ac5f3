"""Metrics, each defined once, and their bootstrap intervals.

A metric is a sum of per-example statistics and a function of that sum: accuracy is (correct, total), span F1 is (true
positives, predicted, gold). So one pass over the examples gives the score, and 1,000 bootstrap draws are one matrix
product instead of 1,000 calls of a scorer.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xrobust.errors import UserError, did_you_mean

BOOTSTRAP_DRAWS = 1000
CONFIDENCE = 0.95
BOOTSTRAP_SEED = 0


class Metric(ABC):
    """A named score of predictions against references."""

    name: str
    definition: str
    outputs: tuple[str, ...]
    """Names of the values it gives; the first is the score that carries the metric's name."""

    @abstractmethod
    def statistics(self, references: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        """float64 (examples, k): what each example adds to the counts."""

    @abstractmethod
    def score(self, counts: np.ndarray) -> np.ndarray:
        """float64 (..., outputs) from summed counts (..., k). Fractions of 1."""

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Numerator and denominator, (...) each, where the score is the ratio of their sums over examples; else None.

        What finds the worst case over perturbations.
        """
        return None

    def __call__(self, references: Sequence[Any], predictions: Sequence[Any]) -> dict[str, float]:
        """The score of one set of predictions."""
        counts = self.statistics(references, predictions).sum(axis=0)
        return dict(zip(self.outputs, (float(v) for v in self.score(counts)), strict=True))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """0 where nothing is there to be counted, as seqeval and scikit-learn have it."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 0)


class Accuracy(Metric):
    """Right labels over all labels; for tagging over all tokens of all sentences (micro)."""

    name = "accuracy"
    definition = "correct labels / labels; for tagging, over tokens"
    outputs = ("accuracy",)

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        rows = np.zeros((len(references), 2))
        for i, (gold, guess) in enumerate(zip(references, predictions, strict=True)):
            if isinstance(gold, str):
                rows[i] = (gold == guess, 1)
            else:
                rows[i] = (sum(a == b for a, b in zip(gold, guess, strict=True)), len(gold))
        return rows

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return counts[..., 0], counts[..., 1]

    def score(self, counts: np.ndarray) -> np.ndarray:
        return _ratio(*self.ratio(counts))[..., None]


class MacroF1(Metric):
    """F1 of each label, averaged with equal weights over the labels that occur in references or predictions."""

    name = "macro_f1"
    definition = "F1 of each label, averaged over the labels that occur; for tagging, over tokens"
    outputs = ("macro_f1",)

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        gold, guess = _as_lists(references), _as_lists(predictions)
        column = {label: i for i, label in enumerate(sorted({x for row in (*gold, *guess) for x in row}))}
        counts = np.zeros((len(gold), len(column), 3))
        for i, (actual, predicted) in enumerate(zip(gold, guess, strict=True)):
            for a, p in zip(actual, predicted, strict=True):
                counts[i, column[a]] += (a == p, 0, 1)
                counts[i, column[p], 1] += 1
        return counts.reshape(len(gold), -1)

    def score(self, counts: np.ndarray) -> np.ndarray:
        hits, predicted, actual = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 3), -1, 0)
        occurs = predicted + actual
        return _ratio(_ratio(2 * hits, occurs).sum(axis=-1), (occurs > 0).sum(axis=-1).astype(float))[..., None]


def _as_lists(labels: Sequence[Any]) -> list[list[str]]:
    """The labels of each example: one, or those of its tokens."""
    return [[label] if isinstance(label, str) else list(label) for label in labels]


class CompatF1(Metric):
    """The F1 that Manafi & Krishnaswamy (LREC-COLING 2024) report for section titles: that of the answer B alone.

    Their code gives seqeval the answers as sentences of one tag each, `[["A"], ["B"], ...]`, and seqeval takes only a
    tag that begins with B for the beginning of a span. For comparison with their tables; `accuracy` is the score.
    """

    name = "compat_f1"
    definition = "F1 of the label B alone, as seqeval scores single labels A to D; for comparison only"
    outputs = ("compat_f1",)

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        gold = np.array([label == "B" for label in references], dtype=float)
        guess = np.array([label == "B" for label in predictions], dtype=float)
        return np.stack([gold * guess, guess, gold], axis=-1)

    def score(self, counts: np.ndarray) -> np.ndarray:
        return _ratio(2 * counts[..., 0], counts[..., 1] + counts[..., 2])[..., None]


class _SpanF1(Metric):
    """Micro-averaged F1 over spans; subclasses say what a span is."""

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        raise NotImplementedError

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        gold, guess = self._spans(references), self._spans(predictions)
        return np.array([(len(g & p), len(p), len(g)) for g, p in zip(gold, guess, strict=True)], dtype=float).reshape(
            -1, 3
        )

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 2 * counts[..., 0], counts[..., 1] + counts[..., 2]

    def score(self, counts: np.ndarray) -> np.ndarray:
        hits, predicted, actual = counts[..., 0], counts[..., 1], counts[..., 2]
        return np.stack([_ratio(2 * hits, predicted + actual), _ratio(hits, predicted), _ratio(hits, actual)], axis=-1)


class SpanF1(_SpanF1):
    """seqeval's micro F1 in strict mode, scheme IOB2: a span that starts with I- is not a span."""

    name = "span_f1"
    definition = "seqeval micro F1 over entity spans, strict mode, IOB2"
    outputs = ("span_f1", "span_precision", "span_recall")

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        from seqeval.scheme import IOB2, Entities

        parsed = Entities([list(t) for t in tags], IOB2).entities
        return [{(e.start, e.end, e.tag) for e in sentence} for sentence in parsed]


class XtremeF1(_SpanF1):
    """What XTREME's scripts print for POS: seqeval's default span F1 on bare UPOS tags.

    seqeval reads the first letter of a tag as its prefix, so CCONJ and SCONJ are equal, and neighbouring equal tags are
    one span. For comparison with published tables only; `accuracy` is the score.
    """

    name = "xtreme_f1"
    definition = "seqeval default span F1 on bare UPOS tags, as XTREME's scripts compute it; for comparison only"
    outputs = ("xtreme_f1",)

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        from seqeval.metrics.sequence_labeling import get_entities

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "NOUN seems not to be NE tag": that is the point of this metric
            found = get_entities([list(sentence) for sentence in tags])
        # seqeval reads all sentences as one sequence with an O after each, and carries state over the O for tags of one
        # letter (X). To get its number exactly, a span belongs to the sentence that it ends in.
        ends = np.cumsum([len(sentence) + 1 for sentence in tags])
        spans: list[set[Any]] = [set() for _ in tags]
        for span in found:
            spans[int(np.searchsorted(ends, span[2], side="right"))].add(span)
        return spans

    def score(self, counts: np.ndarray) -> np.ndarray:
        return super().score(counts)[..., :1]


_METRICS: dict[str, type[Metric]] = {m.name: m for m in (Accuracy, MacroF1, SpanF1, XtremeF1, CompatF1)}


def metric(name: str | Metric) -> Metric:
    """The metric of that id; a metric is its own. Raises UserError for an unknown id."""
    if isinstance(name, Metric):
        return name
    if name not in _METRICS:
        raise UserError(f"unknown metric {name!r}: {did_you_mean(name, _METRICS)}")
    return _METRICS[name]()


@dataclass(frozen=True)
class Score:
    """One value with its percentile-bootstrap interval over examples (sentences, for tagging)."""

    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    """Examples scored."""


def score(name: str | Metric, references: Sequence[Any], predictions: Sequence[Any]) -> list[Score]:
    """Scores with 95% intervals: one for each output of the metric.

    The percentile bootstrap (Efron & Tibshirani 1993, chapter 13): 1,000 draws of n examples with replacement, seed 0.
    Raises UserError for an unknown metric and ValueError where the two differ in length or nothing is there to score.
    """
    scorer = metric(name)
    if not references:
        raise ValueError("nothing to score")
    return score_rows(scorer, scorer.statistics(references, predictions))


def score_rows(scorer: Metric, rows: np.ndarray) -> list[Score]:
    """`score`, of the statistics of each example: float64 (examples, k)."""
    values = scorer.score(rows.sum(axis=0))
    low, high = _interval(scorer.score(bootstrap(rows)))
    scores = [
        Score(output, float(v), float(lo), float(hi), len(rows))
        for output, v, lo, hi in zip(scorer.outputs, values, low, high, strict=True)
    ]
    assert all(math.isfinite(s.value) for s in scores), "a ratio of counts is finite"
    return scores


def drop_intervals(scorer: Metric, before: np.ndarray, after: np.ndarray) -> list[tuple[float, float]]:
    """95% intervals of score(before) - score(after), one for each output; both are statistics of the same examples.

    A draw takes the same examples on both sides (a paired bootstrap), so that what makes an example hard for both does
    not widen the interval.
    """
    draws = bootstrap(np.concatenate([before, after], axis=1))
    width = before.shape[1]
    low, high = _interval(scorer.score(draws[:, :width]) - scorer.score(draws[:, width:]))
    return [(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]


def bootstrap(rows: np.ndarray) -> np.ndarray:
    """Summed statistics of 1,000 draws of n examples with replacement, seed 0: float64 (draws, k) from (n, k)."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    n = len(rows)
    draws = np.empty((BOOTSTRAP_DRAWS, rows.shape[1]))
    for d in range(BOOTSTRAP_DRAWS):
        draws[d] = np.bincount(rng.integers(0, n, n), minlength=n) @ rows
    return draws


def _interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval: (outputs,) each, from (draws, outputs)."""
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def worst_rows(scorer: Metric, variants: Sequence[np.ndarray]) -> np.ndarray:
    """The worst case: for each example the statistics under one of the variants; (examples, k) each.

    For a metric that is a ratio of sums these are the choices that make the score of all examples together as low as
    it can be (Dinkelbach 1967): no single variant is worse, and another variant can only lower it. The lowest F1 of
    each sentence for itself would not do: sentences in which nothing is right are all 0, however much is wrong.
    For any other metric it is the lowest score of each example for itself. Of equals the first variant is taken.
    """
    stacked = np.stack(variants)
    everyone = np.arange(stacked.shape[1])
    parts = scorer.ratio(stacked)
    if parts is None:
        scores = scorer.score(stacked)[..., 0]
        scores[~stacked.any(axis=-1)] = 1.0  # nothing was to be found, and nothing was
        return stacked[scores.argmin(axis=0), everyone]
    numerator, denominator = parts
    value, chosen = np.inf, np.zeros(len(everyone), dtype=int)
    while True:
        total = denominator[chosen, everyone].sum()
        now = numerator[chosen, everyone].sum() / total if total else 0.0
        if now >= value:
            return stacked[chosen, everyone]
        value = now
        chosen = (numerator - value * denominator).argmin(axis=0)
