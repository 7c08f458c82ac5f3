"""Compares groups of runs with a baseline: differences by language and condition, with intervals and tests.

docs/comparing.md explains what is estimated; xrobust/metrics/inference.py has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xrobust.errors import UserError
from xrobust.metrics.inference import (
    ALPHA,
    FEWEST_SEEDS,
    Inference,
    Side,
    holm,
    improved_count,
    infer_difference,
    seed_part,
)
from xrobust.registry.plugins import Plugins
from xrobust.results.comparison import (
    ComparedWith,
    Comparison,
    Condition,
    Estimate,
    Excluded,
    LanguageCount,
    NotCompared,
    Over,
    Verdict,
)
from xrobust.results.examples import score_metric
from xrobust.results.mcnemar import compare_trained_models
from xrobust.results.runs import differences
from xrobust.results.score_key import ScoreKey
from xrobust.results.select import FoundRun, LeftOut, select_all
from xrobust.results.sides import (
    GroupSide,
    SharedTests,
    budget_difference,
    make_sides,
    require_comparable,
    shared_keys,
    shared_tests,
    side_arrays,
)
from xrobust.results.verdicts import sentence, supervision_note

CLEAN = Condition()


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


@dataclass(frozen=True)
class Sides:
    """The runs that are compared: a baseline, and what is compared with it."""

    baseline: GroupSide
    others: tuple[GroupSide, ...]
    metric: str
    left_out: tuple[LeftOut, ...]


def compare(
    *arguments: str | Path,
    runs: str | Path = "runs",
    where: str | None = None,
    options: CompareOptions | None = None,
    plugins: Sequence[Path] = (),
) -> Comparison:
    """Compares runs with a baseline, which is the first argument: `compare("method=vanilla", "method=rs_aug")`.

    Args:
        arguments: run folders, group or run ids, globs, or filters such as `method=rs_aug`. Runs of one group are one
            side, whatever arguments they come from; a later argument that has several groups gives several sides.
        runs: folder that ids and filters look in.
        where: filter over all arguments, such as `task=wikiann`.
        options: see `CompareOptions`.
        plugins: files with task plugins whose own metrics are compared.

    Returns the comparison document. Raises UserError where the sides cannot be compared, with the reason.
    """
    given = options or CompareOptions()
    sides = open_sides([str(a) for a in arguments], Path(runs), where=where, metric=given.metric, plugins=plugins)
    return compare_sides(sides, given)


def open_sides(
    arguments: Sequence[str],
    runs: Path,
    *,
    where: str | None = None,
    metric: str | None = None,
    plugins: Sequence[Path] = (),
) -> Sides:
    """Finds the runs of each side. Raises UserError where there are none, or no two sides."""
    groups, left_out = _sides_asked_for(arguments, runs, where)
    name = metric or groups[0][0].result.main_metric
    _require_metric(groups, name)
    scored_by = score_metric(name, groups[0][0].result.spec.train.task, Plugins(plugins))
    baseline, *others = make_sides(groups, scored_by)
    return Sides(baseline, tuple(others), name, tuple(left_out))


def compare_sides(sides: Sides, given: CompareOptions) -> Comparison:
    """Compares each side with the baseline. Raises UserError where two cannot be compared, with the reason."""
    baseline, metric = sides.baseline, sides.metric
    compared = [_compare_with(baseline, other, given) for other in sides.others]
    _adjust_averages(compared)
    described = baseline.described()
    for part in compared:
        headlines = [row for row in part.estimates if row.over == "average"]
        part.sentences = [sentence(described, part, row, metric, len(compared)) for row in headlines]
    first = baseline.runs[0].score(baseline.runs[0].scored_keys[0])
    assert first is not None
    return Comparison(
        task=baseline.first.spec.train.task,
        metric=metric,
        metric_version=first.metric_version,
        baseline=described,
        compared=compared,
        common_only=given.common,
        budget=given.budget,
        notes=_notes(baseline, sides.others, compared),
        excluded=[Excluded(path=item.path, reason=item.reason) for item in sides.left_out],
    )


def _sides_asked_for(
    arguments: Sequence[str], below: Path, where: str | None
) -> tuple[list[list[FoundRun]], list[LeftOut]]:
    """The sides that the arguments name, the baseline first, and the documents that were left out."""
    if not arguments:
        raise UserError("name the baseline and what to compare it with: run folders, group ids, globs or filters")
    selections = select_all(arguments, below, where=where)
    left_out = [item for selection in selections for item in selection.left_out]
    if not selections[0].runs:
        raise UserError(f"{arguments[0]}: no complete run for a baseline ({selections[0].left_out[0].reason})")
    groups: dict[str, dict[str, FoundRun]] = {}
    for selection in selections:
        for run in selection.runs:
            groups.setdefault(run.result.group_id, {})[run.result.run_id] = run
    first = {run.result.group_id for run in selections[0].runs}
    if len(first) > 1:
        raise UserError(
            f"{selections[0].argument}: the baseline must be one group, and these are {len(first)} groups: "
            f"{_listed([groups[g] for g in first])}; narrow it, as in task=wikiann,method=vanilla"
        )
    if len(groups) > 1:
        return [list(group.values()) for group in groups.values()], left_out
    single = [list(selection.runs) for selection in selections]
    if len(single) > 1 and all(len(runs) == 1 for runs in single) and len(groups[first.pop()]) == len(single):
        return single, left_out
    raise UserError(
        f"{' '.join(arguments)}: these are runs of one group, {_listed(groups.values())}: name what to compare it with"
    )


def _listed(groups: Iterable[Mapping[str, FoundRun]]) -> str:
    parts = []
    for group in groups:
        result = next(iter(group.values())).result
        train = result.spec.train
        parts.append(f"{train.task} {'+'.join(part.name for part in train.method)} ({result.group_id})")
    return ", ".join(sorted(parts))


def _require_metric(groups: Sequence[Sequence[FoundRun]], metric: str) -> None:
    for group in groups:
        for run in group:
            known = {row.metric for row in run.result.scores}
            if metric not in known:
                raise UserError(
                    f"run {run.result.run_id} ({run.result.spec.train.task}) has no scores of metric {metric!r}: it "
                    f"has {', '.join(sorted(known))}"
                )


def _compare_with(baseline: GroupSide, other: GroupSide, given: CompareOptions) -> ComparedWith:
    require_comparable(baseline, other, given.budget)
    if given.paired_seeds and baseline.seeds != other.seeds:
        raise UserError(
            f"--paired-seeds needs the same seeds on both sides: {baseline.name} has {baseline.seeds}, {other.name} "
            f"has {other.seeds}"
        )
    estimates: list[Estimate] = []
    counts: list[LanguageCount] = []
    not_compared: list[NotCompared] = []
    languages: list[str] = []
    for label, condition in {**baseline.conditions, **other.conditions}.items():
        try:
            keys = shared_keys((baseline, other), condition, common=given.common)
        except UserError as error:
            if condition == CLEAN:
                raise
            not_compared.append(NotCompared(**condition.model_dump(), reason=str(error)))
            continue
        tests = shared_tests(baseline.runs[0], keys)
        if label == "clean":
            languages = [key.name for key in keys]
        for quantity in ("score",) if condition.condition == "clean" else ("score", "drop"):
            question = _Question(baseline, other, tests, condition, quantity, given)
            found = question.estimates()
            estimates += found
            if quantity == "score":
                counts += question.counts(found)
    single = len(baseline.runs) == len(other.runs) == 1
    return ComparedWith(
        other=other.described(),
        differ_in=differences(baseline.first.spec.train, other.first.spec.train),
        languages=languages,
        budgets_differ=budget_difference(baseline.first, other.first) is not None,
        paired_seeds=given.paired_seeds,
        estimates=estimates,
        counts=counts,
        not_compared=not_compared,
        trained_models=compare_trained_models(baseline.runs[0], other.runs[0]) if single else [],
        sentences=[],
    )


class _Question:
    """Both sides under one condition, in one quantity."""

    def __init__(
        self,
        baseline: GroupSide,
        other: GroupSide,
        tests: SharedTests,
        condition: Condition,
        quantity: str,
        given: CompareOptions,
    ) -> None:
        self.sides = (baseline, other)
        self.source = baseline.first.spec.train.source
        self.tests, self.condition, self.quantity, self.given = tests, condition, quantity, given
        self.a, self.b = (side_arrays(side, tests, quantity) for side in self.sides)

    def estimates(self) -> list[Estimate]:
        """The averages, then each test set, with Holm's p-values over the test sets."""
        everything = list(range(len(self.tests.keys)))
        targets = [i for i in everything if self.tests.keys[i].language != self.source]
        rows = [self._estimate("average", everything)]
        if not self.condition.pairs and 0 < len(targets) < len(everything):
            rows.append(self._estimate("targets", targets))
        singles = [
            self._estimate("pair" if self.condition.pairs else "language", [i], key)
            for i, key in enumerate(self.tests.keys)
        ]
        tested = [row for row in singles if row.p is not None]
        for row, p in zip(tested, holm([row.p for row in tested if row.p is not None]), strict=True):
            row.p_holm = p
            row.verdict = verdict(row)
        return rows + singles

    def counts(self, rows: Sequence[Estimate]) -> list[LanguageCount]:
        """The number of test sets that are better, and worse; none where nothing is tested."""
        tested = [
            (row.difference, _inference(row)) for row in rows if row.over in ("language", "pair") and row.p is not None
        ]
        if not tested:
            return []
        turned = [(-difference, inference) for difference, inference in tested]
        return [
            LanguageCount(
                **self.condition.model_dump(),
                languages=len(tested),
                better=improved_count(tested),
                worse=improved_count(turned),
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
        row.verdict = verdict(row)
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
        from xrobust.results.resampling import bootstrap_difference

        return bootstrap_difference(*self.sides, self.tests, some, self.quantity)


def verdict(row: Estimate) -> Verdict:
    """The verdict of a test at 5%, by Holm's p-value where there is one. A smaller drop is the better one."""
    p = row.p if row.p_holm is None else row.p_holm
    if p is None:
        return "no test"
    if p > ALPHA or row.difference == 0:
        return "not shown"
    return "better" if (row.difference > 0) == (row.quantity == "score") else "worse"


def _inference(row: Estimate) -> Inference:
    assert row.p is not None and row.standard_error is not None and row.df is not None
    assert row.ci_low is not None and row.ci_high is not None and row.detectable is not None
    return Inference(row.standard_error, row.df, row.ci_low, row.ci_high, row.p, row.detectable)


def _sd(side: Side) -> float | None:
    means = side.values.mean(axis=1)
    return float(means.std(ddof=1)) if len(means) > 1 else None


def _adjust_averages(compared: Sequence[ComparedWith]) -> None:
    """Holm's p-values of the averages over the sides that are compared with the baseline."""
    families: dict[tuple[str, str, str], list[Estimate]] = {}
    for part in compared:
        for row in part.estimates:
            if row.over in ("average", "targets") and row.p is not None:
                families.setdefault((row.label, row.quantity, row.over), []).append(row)
    for rows in families.values():
        for row, p in zip(rows, holm([row.p for row in rows if row.p is not None]), strict=True):
            row.p_holm = p
            row.verdict = verdict(row)


def _notes(baseline: GroupSide, others: Sequence[GroupSide], compared: Sequence[ComparedWith]) -> list[str]:
    """Remarks that a reader of the tables must know."""
    notes = []
    if baseline.first.sample:
        notes.append("sample data: these scores are for trying xrobust out, and mean nothing else")
    for other, part in zip(others, compared, strict=True):
        if (difference := budget_difference(baseline.first, other.first)) is not None:
            notes.append(f"BUDGETS DIFFER: {baseline.name} and {other.name}: {difference}")
        if part.differ_in:
            notes.append(f"{baseline.name} and {other.name} differ in {', '.join(part.differ_in)} too")
        if (remark := supervision_note(baseline.first.supervision, other)) is not None:
            notes.append(remark)
    return notes
