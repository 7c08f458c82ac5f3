"""Inference from seeds and examples against scipy's t tests, sums by hand and brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from xrobust.metrics.by_name import metric
from xrobust.metrics.inference import (
    Inference,
    Part,
    Side,
    array_degrees_of_freedom,
    degrees_of_freedom,
    example_part,
    holm,
    improved_count,
    infer,
    infer_difference,
    infer_level,
)
from xrobust.metrics.influence import influence

seeds = st.integers(0, 10_000)
positive = st.floats(1e-3, 1e3)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def found(inference: Inference | None) -> Inference:
    """It, which is not None."""
    assert inference is not None
    return inference


def certain(values: np.ndarray, n: int = 4) -> Side:
    """A side on which no example has any influence."""
    return Side(values, (np.zeros(n),) * values.shape[1])


def numbers(n: int, languages: int) -> list[np.ndarray]:
    """Clusters of test sets without a common id."""
    return [np.arange(n) + n * i for i in range(languages)]


@given(seeds, st.integers(2, 8), st.integers(2, 8), st.integers(1, 4))
def test_with_no_variance_between_examples_it_is_welchs_test(seed: int, a: int, b: int, languages: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.7, 0.02, (a, languages)), rng.normal(0.72, 0.05, (b, languages))
    ours = found(infer_difference(certain(first), certain(second), numbers(4, languages)))
    theirs = scipy.stats.ttest_ind(second.mean(axis=1), first.mean(axis=1), equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


@given(seeds, st.integers(2, 8), st.integers(1, 4))
def test_with_paired_seeds_it_is_the_paired_t_test(seed: int, count: int, languages: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.normal(0.7, 0.02, (count, languages))
    second = first + rng.normal(0.01, 0.01, (count, languages))
    ours = found(infer_difference(certain(first), certain(second), numbers(4, languages), paired_seeds=True))
    theirs = scipy.stats.ttest_rel(second.mean(axis=1), first.mean(axis=1))
    interval = theirs.confidence_interval(0.95)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("paired", [False, True])
def test_with_no_variance_between_seeds_it_is_the_paired_t_test_over_examples(paired: bool) -> None:
    rng = np.random.default_rng(0)
    right = (rng.random((2, 80)) < [[0.6], [0.7]]).astype(float)
    rows = np.stack([right, np.ones_like(right)], axis=2)
    sides = [
        Side(np.full((3, 1), r.mean()), (influence(metric("accuracy"), s),)) for r, s in zip(right, rows, strict=True)
    ]
    ours = found(infer_difference(*sides, numbers(80, 1), paired_seeds=paired))
    theirs = scipy.stats.ttest_rel(right[1], right[0])
    interval = theirs.confidence_interval(0.95)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


def test_level_is_the_t_test_of_one_sample_over_seeds_where_examples_do_not_vary() -> None:
    values = np.random.default_rng(1).normal(0.7, 0.02, (5, 3))
    ours = found(infer_level(certain(values), numbers(4, 3)))
    interval = scipy.stats.ttest_1samp(values.mean(axis=1), 0).confidence_interval(0.95)
    assert (ours.low, ours.high, ours.df) == pytest.approx((interval.low, interval.high, 4))


def test_the_variance_of_a_difference_is_the_sum_of_its_three_parts() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(3, 2)), rng.normal(size=(5, 2))
    moved = [tuple(x - x.mean() for x in rng.normal(size=(2, 50))) for _ in range(2)]
    ours = found(infer_difference(Side(a, moved[0]), Side(b, moved[1]), numbers(50, 2)))
    of_examples = sum(np.var(y - x, ddof=1) / 50 for x, y in zip(*moved, strict=True)) / 4
    of_seeds = np.var(a.mean(axis=1), ddof=1) / 3 + np.var(b.mean(axis=1), ddof=1) / 5
    assert ours.standard_error**2 == pytest.approx(of_seeds + of_examples, rel=0.02)  # 100/99 in place of 50/49


def test_examples_of_one_language_have_the_variance_of_a_mean() -> None:
    moved = np.random.default_rng(3).normal(size=40)
    assert example_part([moved - moved.mean()], [np.arange(40)]) == Part(pytest.approx(moved.var(ddof=1) / 40), 39)


def test_examples_of_parallel_test_sets_vary_together() -> None:
    rng = np.random.default_rng(4)
    moved = rng.normal(size=(60, 1)) + rng.normal(size=(60, 5))
    moved -= moved.mean(axis=0)
    covariance = np.cov(moved, rowvar=False)
    ours = example_part(list(moved.T), [np.arange(60)] * 5)
    assert ours == Part(pytest.approx(covariance.sum() / 5**2 / 60), 59)
    unrelated = example_part(list(moved.T), numbers(60, 5))
    assert unrelated == Part(pytest.approx(np.trace(covariance) / 5**2 / 60, rel=0.02), 299)


@given(seeds, st.integers(2, 4), st.integers(2, 12))
def test_examples_of_test_sets_that_share_some_ids_are_summed_by_id(seed: int, languages: int, ids: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = [rng.integers(0, ids, rng.integers(1, 15)) for _ in range(languages)]
    moved = [rng.normal(size=len(c)) for c in clusters]
    sums: dict[int, float] = {}
    for values, its in zip(moved, clusters, strict=True):
        for value, number in zip(values, its, strict=True):
            sums[number] = sums.get(number, 0.0) + value / (languages * len(values))
    if len(sums) < 2:
        assert example_part(moved, clusters) is None
        return
    expected = np.var(list(sums.values()), ddof=1) * len(sums)  # C / (C - 1) times the sum of squares
    assert example_part(moved, clusters) == Part(pytest.approx(expected), len(sums) - 1)
    renamed = rng.permutation(3 * ids)
    assert example_part(moved, [renamed[c] for c in clusters]) == Part(pytest.approx(expected), len(sums) - 1)


def test_nothing_is_inferred_from_one_seed_or_one_id() -> None:
    one, two = certain(np.ones((1, 1))), certain(np.ones((2, 1)))
    ids, same = [np.arange(4)], [np.zeros(4, dtype=int)]
    assert infer_difference(one, two, ids) is None
    assert infer_difference(two, one, ids) is None
    assert infer_difference(two, two, same) is None
    assert infer_level(one, ids) is None
    assert infer_level(two, same) is None


def test_runs_beside_themselves_do_not_differ() -> None:
    side = certain(np.full((2, 1), 0.5))
    assert infer_difference(side, side, [np.arange(4)]) == Inference(0.0, 1, 0.0, 0.0, 1.0, 0.0)
    apart = found(infer_difference(side, certain(np.full((2, 1), 0.6)), [np.arange(4)]))
    assert (apart.p, apart.low) == (0.0, pytest.approx(0.1))


@given(seeds)
def test_sides_in_the_other_order_give_the_opposite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (Side(rng.normal(size=(count, 2)), tuple(rng.normal(size=(2, 9)))) for count in (3, 4))
    there, back = (found(infer_difference(*pair, numbers(9, 2))) for pair in ((a, b), (b, a)))
    assert (there.low, there.high, there.p) == pytest.approx((-back.high, -back.low, back.p))


def test_languages_can_be_taken_alone_or_some_of_them() -> None:
    values = np.arange(6.0).reshape(2, 3)
    side = Side(values, tuple(np.full(4, float(i)) for i in range(3)))
    assert side.some([1]).values.tolist() == [[1], [4]]
    assert [moved[0] for moved in side.some([1]).influence] == [1]
    assert side.some([2, 0]).values.tolist() == [[2, 0], [5, 3]]
    assert [moved[0] for moved in side.some([2, 0]).influence] == [2, 0]


def welch(parts: list[Part]) -> float:
    """Degrees of freedom by Welch and Satterthwaite."""
    return sum(p.variance for p in parts) ** 2 / sum(p.variance**2 / p.df for p in parts)


parts_of_seeds = st.lists(st.builds(Part, positive, st.integers(1, 9)), min_size=1, max_size=2)


@given(parts_of_seeds, st.builds(Part, positive, st.integers(10, 2000)))
def test_degrees_of_freedom_are_at_most_welchs(of_seeds: list[Part], examples: Part) -> None:
    ours = degrees_of_freedom(of_seeds, examples)
    assert ours * (1 + 1e-9) >= min(p.df for p in [*of_seeds, examples])
    if examples.variance / examples.df < min(p.variance / p.df for p in of_seeds):  # or both are large
        assert ours <= welch([*of_seeds, examples]) * (1 + 1e-9)


@given(parts_of_seeds, st.integers(10, 2000))
def test_degrees_of_freedom_of_seeds_alone_or_examples_alone_are_welchs(of_seeds: list[Part], df: int) -> None:
    assert degrees_of_freedom(of_seeds, Part(0.0, df)) == pytest.approx(welch(of_seeds))
    assert degrees_of_freedom([Part(0.0, p.df) for p in of_seeds], Part(1.0, df)) == pytest.approx(df)


def test_degrees_of_freedom_of_many_estimates_are_those_of_each() -> None:
    rng = np.random.default_rng(5)
    a, b, examples = rng.gamma(1.0, size=(3, 20))
    many = array_degrees_of_freedom([(a, 1), (b, np.arange(1, 21))], (examples, 99))
    each = [degrees_of_freedom([Part(a[i], 1), Part(b[i], i + 1)], Part(examples[i], 99)) for i in range(20)]
    assert many == pytest.approx(each)
    assert array_degrees_of_freedom([(np.zeros(2), 1)], (np.array([0.0, 1.0]), 9)).tolist() == [1, 9]


def test_the_seeds_part_counts_more_the_fewer_they_are() -> None:
    alike, examples = Part(1.0, 1), Part(2.0, 400)
    assert degrees_of_freedom([alike, alike], examples) == pytest.approx((8 + 2) ** 2 / (2 * 4**2 + 2**2 / 400))
    alike = Part(1.0, 9)
    weight = (1 + 2 / 18) ** 2
    expected = (2 * weight + 2) ** 2 / (2 * weight**2 / 9 + 2**2 / 400)
    assert degrees_of_freedom([alike, alike], examples) == pytest.approx(expected)


@pytest.mark.parametrize(("seeds", "examples", "df"), [(1.0, 0.0, 4), (1.0, 0.1, 4), (1.0, 2.0, 6), (1e-9, 1.0, 9)])
def test_the_detectable_difference_is_shown_with_a_probability_of_80_percent(
    seeds: float, examples: float, df: int
) -> None:
    inference = infer(0.0, [Part(seeds, df)], Part(examples, 500))
    critical = scipy.stats.t.ppf(0.975, inference.df)
    shift = inference.detectable / inference.standard_error
    theirs = scipy.stats.nct(inference.df, shift)
    assert theirs.sf(critical) + theirs.cdf(-critical) == pytest.approx(0.8, abs=0.005)


@given(p_values)
def test_holm_is_bonferroni_closed_under_intersection(p: list[float]) -> None:
    every = range(len(p))
    subsets = [set(s) for size in range(1, len(p) + 1) for s in combinations(every, size)]
    adjusted = [max(min(1.0, len(s) * min(p[i] for i in s)) for s in subsets if one in s) for one in every]
    assert holm(p) == pytest.approx(adjusted)


def test_holm_of_a_known_case() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # R: p.adjust(..., "holm")
    assert holm([]) == []


@given(st.lists(st.tuples(st.sampled_from([-1.0, 1.0]), st.floats(0, 0.2)), min_size=1, max_size=6))
def test_improved_count_is_the_partial_conjunction_by_brute_force(languages: list[tuple[float, float]]) -> None:
    n = len(languages)
    one_sided = [p / 2 if estimate > 0 else 1 - p / 2 for estimate, p in languages]
    count = 0
    for u in range(1, n + 1):  # H: fewer than u improve; in every set of n - u + 1 at least one does not, if so
        combined = max((n - u + 1) * min(one_sided[i] for i in s) for s in combinations(range(n), n - u + 1))
        if combined > 0.05:
            break
        count = u
    inferences = [(estimate, Inference(1.0, 10.0, -1.0, 1.0, p, 1.0)) for estimate, p in languages]
    assert improved_count(inferences) == count
