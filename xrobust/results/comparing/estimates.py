"""Estimates of a comparison: of averages and of single test sets, under one condition, in one quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xrobust.metrics.inference import (
    ALPHA,
    FEWEST_SEEDS,
    Inference,
    Side,
    detectable_value,
    holm,
    improved_count,
    infer_difference,
    seed_part,
)
from xrobust.results.comparing.document import (
    ComparedWith,
    Condition,
    Estimate,
    LanguageCount,
    Over,
    Verdict,
)
from xrobust.results.comparing.sides import GroupSide, SharedTests, side_arrays
from xrobust.results.score_key import ScoreKey
from xrobust.results.small_samples import is_small


@dataclass(frozen=True)
class CompareOptions:
    """Options of a comparison."""

    metric: str | None = None
    """Name of a score; the task's main one by default."""
    common: bool = False
    """Compare the languages that all runs have, and leave the others out."""
    budget: Literal["equal", "any"] = "equal"
    paired_seeds: bool = False
    """Runs of one seed share what the seed decides: the variance over seeds is that of their differences."""
    bootstrap: bool = False
    """Add bootstrap intervals over seeds and examples."""


class Question:
    """Both sides under one condition, in one quantity."""

    def __init__(
        self,
        baseline: GroupSide,
        other: GroupSide,
        tests: SharedTests,
        condition: Condition,
        quantity: str,
        given: CompareOptions,
        least: int,
    ) -> None:
        self.sides = (baseline, other)
        self.source = baseline.first.spec.train.source
        self.tests, self.condition, self.quantity, self.given = tests, condition, quantity, given
        self.a, self.b = (side_arrays(side, tests, quantity) for side in self.sides)
        self.lower_is_better = baseline.lower_is_better
        self.few = [is_small(condition.condition, len(ids), least) for ids in tests.ids]

    def estimates(self) -> list[Estimate]:
        """The averages over test sets with enough changed examples; then each test set, with Holm's p-values."""
        everything = [i for i, few in enumerate(self.few) if not few]
        targets = [i for i in everything if self.tests.keys[i].language != self.source]
        rows = [self._estimate("average", everything)] if everything else []
        if not self.condition.pairs and 0 < len(targets) < len(everything):
            rows.append(self._estimate("targets", targets))
        too_few = tuple(key.name for key, few in zip(self.tests.keys, self.few, strict=True) if few)
        for row in rows:
            row.too_few = tuple(name for name in too_few if row.over == "average" or name != self.source)
        singles = [
            self._estimate("pair" if self.condition.pairs else "language", [i], key)
            for i, key in enumerate(self.tests.keys)
        ]
        adjust(singles, self.lower_is_better)
        return rows + singles

    def counts(self, rows: Sequence[Estimate]) -> list[LanguageCount]:
        """The number of test sets that are better, and worse; none where nothing is tested."""
        tested = [
            (row.difference, _inference(row)) for row in rows if row.over in ("language", "pair") and row.p is not None
        ]
        if not tested:
            return []
        higher, lower = improved_count(tested), improved_count([(-difference, one) for difference, one in tested])
        better, worse = (lower, higher) if self.lower_is_better else (higher, lower)
        return [
            LanguageCount(
                **self.condition.model_dump(),
                languages=len(tested),
                better=better,
                worse=worse,
            )
        ]

    def _estimate(self, over: Over, some: list[int], key: ScoreKey | None = None) -> Estimate:
        a, b = self.a.some(some), self.b.some(some)
        clusters = [self.tests.clusters[i] for i in some]
        found = infer_difference(a, b, clusters, paired_seeds=self.given.paired_seeds)
        row = Estimate(
            **self.condition.model_dump(),
            quantity="drop" if self.quantity == "drop" else "score",
            over=over,
            language=key.language if key else None,
            pair=key.pair if key else None,
            test_sets=len(some),
            n=sum(len(numbers) for numbers in clusters),
            few=key is not None and self.few[some[0]],
            baseline=float(a.values.mean()),
            other=float(b.values.mean()),
            difference=float(b.values.mean() - a.values.mean()),
            baseline_sd=_sd(a),
            other_sd=_sd(b),
            verdict="no test",
        )
        if found is None:
            row.reason = self._why_no_test(row)
            return row
        row.standard_error, row.df = found.standard_error, found.df
        row.ci_low, row.ci_high, row.p, row.detectable = found.low, found.high, found.p, found.detectable
        row.seed_share = self._seed_share(a, b, found)
        row.verdict = verdict(row, self.lower_is_better)
        if self.given.bootstrap:
            row.bootstrap_low, row.bootstrap_high = self._bootstrap(some)
        return row

    def _why_no_test(self, row: Estimate) -> str:
        for side in self.sides:
            if len(side.runs) < FEWEST_SEEDS:
                return f"{side.name} has one seed: the spread between seeds is not known"
        return f"{row.n} example{'s' if row.n > 1 else ''}"

    def _seed_share(self, a: Side, b: Side, found: Inference) -> float | None:
        if not found.standard_error:
            return None
        if self.given.paired_seeds:
            seeds = seed_part(b.values - a.values).variance
        else:
            seeds = seed_part(a.values).variance + seed_part(b.values).variance
        return min(1.0, seeds / found.standard_error**2)

    def _bootstrap(self, some: list[int]) -> tuple[float, float] | tuple[None, None]:
        from xrobust.results.comparing.resampling import bootstrap_difference

        return bootstrap_difference(*self.sides, self.tests, some, self.quantity)


def verdict(row: Estimate, lower_is_better: bool = False) -> Verdict:
    """The verdict of a test at 5%, by Holm's p-value where there is one. A smaller drop is the better one.

    `lower_is_better` says so of the metric, and turns both.
    """
    p = row.p if row.p_holm is None else row.p_holm
    if p is None:
        return "no test"
    if p > ALPHA or row.difference == 0:
        return "not shown"
    grows_for_the_better = (row.quantity == "score") != lower_is_better
    return "better" if (row.difference > 0) == grows_for_the_better else "worse"


def _inference(row: Estimate) -> Inference:
    assert row.p is not None and row.standard_error is not None and row.df is not None
    assert row.ci_low is not None and row.ci_high is not None and row.detectable is not None
    return Inference(row.standard_error, row.df, row.ci_low, row.ci_high, row.p, row.detectable)


def _sd(side: Side) -> float | None:
    means = side.values.mean(axis=1)
    return float(means.std(ddof=1)) if len(means) > 1 else None


def adjust_averages(compared: Sequence[ComparedWith], lower_is_better: bool = False) -> None:
    """Holm's p-values of the averages over the sides that are compared with the baseline."""
    families: dict[tuple[str, str, str], list[Estimate]] = {}
    for part in compared:
        for row in part.estimates:
            if row.over in ("average", "targets") and row.p is not None:
                families.setdefault((row.label, row.quantity, row.over), []).append(row)
    for rows in families.values():
        adjust(rows, lower_is_better)


def adjust(rows: Sequence[Estimate], lower_is_better: bool = False) -> None:
    """Adjusts the tests of a family for their number: p-values by Holm's method, verdicts, and what was detectable."""
    tested = [row for row in rows if row.p is not None]
    for row, p in zip(tested, holm([row.p for row in tested if row.p is not None]), strict=True):
        row.p_holm, row.tests = p, len(tested)
        row.verdict = verdict(row, lower_is_better)
        if row.standard_error is not None and row.df is not None:
            row.detectable = detectable_value(row.standard_error, row.df, ALPHA / len(tested))
