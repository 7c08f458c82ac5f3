"""Pairs of languages: the first text of each example in one language, the second in another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from xrobust.contracts import Source, Task
from xrobust.data.checks import fingerprint
from xrobust.data.splits import DataRows, load_split, origin_of
from xrobust.evaluation.conditions.base import of_other_metrics
from xrobust.evaluation.language_pairs import align, require_pair_task
from xrobust.evaluation.score_rows import Scored, clean_rows
from xrobust.evaluation.scorer import Scorer
from xrobust.results.schema import PairRows, RunResult, other_origin
from xrobust.results.score_key import Pair, ScoreKey


@dataclass(frozen=True)
class MixedPairs:
    """All pairs of languages of an evaluation: one object, so that each language is tokenised once."""

    task: Task
    source: Source
    limit: int | None
    pairs: Sequence[Pair]
    rows: Sequence[DataRows]
    """Number and sha256 of the test rows of each language in them."""

    def left(self, result: RunResult) -> list[Pair]:
        """The pairs that the document has no scores of, on these very rows in the task's metrics."""
        scored = result.scored_pairs(self.rows)
        return [p for p in self.pairs if p not in scored or of_other_metrics(result, ScoreKey(pair=p), self.task)]

    def score(self, scorer: Scorer) -> None:
        """Scores the pairs that are left. No language is tokenised where all pairs are in the cache."""
        from xrobust.encoding.pairs import PairEncoder

        kind, pairs = require_pair_task(self.task), self.left(scorer.result)
        origin = origin_of(self.task, self.source)
        encoder = PairEncoder(scorer.tokenizer, scorer.max_length)
        codes = dict.fromkeys(code for pair in pairs for code in pair)
        tests = {code: load_split(self.task, self.source, "test", code, self.limit) for code in codes}
        sides = cache(lambda code: kind.tokenise(tests[code][0], encoder))
        for pair in pairs:
            started, under = time.perf_counter(), ScoreKey(pair=pair)
            first, second = pair
            mixed = align(tests[first][0], tests[second][0], pair)
            sha256 = fingerprint(mixed.examples)
            encoded = scorer.encodings.encode_joined(
                {"rows": sha256},
                len(mixed.examples),
                lambda: kind.join(sides(first), sides(second), mixed.examples, encoder),  # noqa: B023 - called at once
            )
            predictions = scorer.predict(encoded, mixed.examples, under)
            rows = PairRows(
                pair=pair,
                rows=len(mixed.examples),
                unaligned=mixed.unaligned,
                disagreeing=mixed.disagreeing,
                first_sha256=tests[first][1].sha256,
                second_sha256=tests[second][1].sha256,
                truncation=scorer.truncation(under, encoded, mixed.examples),
                origin=other_origin(scorer.result, origin),
            )
            scorer.result.sample |= origin.sample
            data = scorer.result.data
            data.pairs = [row for row in data.pairs if row.pair != pair] + [rows]
            statistics = scorer.statistics(mixed.examples, [p.value for p in predictions])
            scored = Scored(under, sha256, time.perf_counter() - started)
            scores = clean_rows(scored, scorer.metrics, statistics)
            scorer.forget(under)
            scorer.save(under, scores, mixed.examples, predictions)
