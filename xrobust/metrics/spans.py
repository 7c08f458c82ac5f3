"""Metrics of spans of tags: entity F1."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from xrobust.contracts.metric import Metric
from xrobust.metrics.entities import entity_spans, strict_spans
from xrobust.metrics.ratio import ratio_or_zero


class _SpanF1(Metric):
    """Micro F1 over spans, then precision and recall where `outputs` names them; subclasses say what a span is."""

    needs_labels = False
    bounded = True

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
        values = (
            ratio_or_zero(2 * hits, predicted + actual),
            ratio_or_zero(hits, predicted),
            ratio_or_zero(hits, actual),
        )
        return np.stack(values[: len(self.outputs)], axis=-1)


class SpanF1(_SpanF1):
    """Micro F1 of entities as conlleval and seqeval's default read them: a stray `I-X` begins an entity.

    The score that published tables of WikiANN and CoNLL have. Equal to `seqeval.metrics.f1_score` without a mode.
    """

    name = "span_f1"
    definition = "micro F1 over entities, conlleval's reading (seqeval's default): a stray I- begins an entity"
    outputs = ("span_f1", "span_precision", "span_recall")
    version = 2
    """Version 1 was strict: `span_f1_strict`."""

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        return [set(entity_spans(sentence)) for sentence in tags]


class SpanF1Strict(_SpanF1):
    """Micro F1 of entities in strict IOB2: a span that begins with `I-X` is none, in gold and in predictions.

    A stray predicted `I-X` costs nothing here. Equal to `seqeval.metrics.f1_score(mode="strict", scheme=IOB2)`.
    """

    name = "span_f1_strict"
    definition = "micro F1 over entities in strict IOB2 (seqeval's strict mode): a stray I- is no entity"
    outputs = ("span_f1_strict",)

    def _spans(self, tags: Sequence[Sequence[str]]) -> list[set[Any]]:
        return [set(strict_spans(sentence)) for sentence in tags]


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
