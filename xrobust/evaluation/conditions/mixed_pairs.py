"""Pairs of languages: the first text of each example in one language, the second in another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from xrobust.contracts import Example, Source, Task
from xrobust.contracts.calling import calling
from xrobust.contracts.encoded import Encoded
from xrobust.data.checks import fingerprint
from xrobust.data.splits import DataRows, changed_just_now, load_split, origin_of
from xrobust.evaluation.conditions.base import of_other_metrics
from xrobust.evaluation.language_pairs import align, require_pair_task
from xrobust.evaluation.score_rows import Scored, clean_rows
from xrobust.evaluation.scorer import Scorer
from xrobust.results.schema import RunResult, other_origin
from xrobust.results.score_key import Pair, ScoreKey, pair_name
from xrobust.results.sections import PairRows


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

    def ready(self, scorer: Scorer) -> Callable[[Pair], None]:
        """A function that scores a pair. Each language is read and tokenised once, and only for pairs that are not in
        the cache."""
        from xrobust.encoding.pairs import PairEncoder

        kind = require_pair_task(self.task)
        origin = origin_of(self.task, self.source)
        encoder = PairEncoder(scorer.tokenizer, scorer.max_length)
        test = cache(self._load)
        sides = cache(lambda code: kind.tokenise(test(code)[0], encoder))

        def joined(pair: Pair, examples: Sequence[Example]) -> Encoded:
            first, second = pair
            with calling(kind, "join", pair_name(pair)):
                return kind.join(sides(first), sides(second), examples, encoder)

        def score(pair: Pair) -> None:
            started, under = time.perf_counter(), ScoreKey(pair=pair)
            tests = {code: test(code) for code in pair}
            first, second = pair
            mixed = align(tests[first][0], tests[second][0], pair)
            sha256 = fingerprint(mixed.examples)
            scorer.agree()
            encoded = scorer.encodings.encode_joined(
                {"rows": sha256}, len(mixed.examples), lambda: joined(pair, mixed.examples)
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
            statistics = scorer.statistics(mixed.examples, predictions)
            scored = Scored(under, sha256, time.perf_counter() - started)
            scores = clean_rows(scored, scorer.metrics, statistics)
            scorer.agree()
            scorer.result.sample |= origin.sample
            data = scorer.result.data
            data.pairs = [row for row in data.pairs if row.pair != pair] + [rows]
            scorer.forget(under)
            scorer.save(under, scores, mixed.examples, predictions)

        return score

    def _load(self, language: str) -> tuple[Sequence[Example], DataRows]:
        examples, rows = load_split(self.task, self.source, "test", language, self.limit)
        if rows.sha256 not in {planned.sha256 for planned in self.rows if planned.language == language}:
            raise changed_just_now(self.task, "test", language)
        return examples, rows
