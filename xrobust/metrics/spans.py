"""Metrics of spans of tags: entity F1."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.metric import Metric
from xrobust.metrics.ratio import ratio_or_zero


class _SpanF1(Metric):
    """Micro-averaged F1 over spans; subclasses say what a span is."""

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        raise NotImplementedError

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        gold, guess = self._spans(references), self._spans(predictions)
        return np.array([(len(g & p), len(p), len(g)) for g, p in zip(gold, guess, strict=True)], dtype=float).reshape(
            -1, 3
        )

    def ratio(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 2 * counts[..., 0], counts[..., 1] + counts[..., 2]

    def score(self, counts: np.ndarray) -> np.ndarray:
        hits, predicted, actual = counts[..., 0], counts[..., 1], counts[..., 2]
        return np.stack(
            [ratio_or_zero(2 * hits, predicted + actual), ratio_or_zero(hits, predicted), ratio_or_zero(hits, actual)],
            axis=-1,
        )


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
    """seqeval's default span F1 on bare UPOS tags, which XTREME's scripts print for POS.

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
