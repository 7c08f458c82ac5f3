"""Coefficients and intervals are scipy's; p-values are those of all permutations; adjusted p-values are Holm's."""

from __future__ import annotations

from itertools import permutations
from math import atanh, sqrt, tanh

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.analysis.answers import Question, answers, number_of_tests
from xrobust.analysis.correlation import correlation, undefined
from xrobust.metrics.inference import holm

# Whole numbers: many ties, and no two values that differ by a rounding error only.
values = st.integers(-20, 20).map(float)
pairs = st.integers(5, 30).flatmap(
    lambda n: st.tuples(st.lists(values, min_size=n, max_size=n), st.lists(values, min_size=n, max_size=n))
)


@settings(deadline=None, max_examples=60)
@given(pairs)
def test_coefficients_and_the_interval_of_pearson_are_those_of_scipy(pair: tuple[list[float], list[float]]):
    x, y = pair
    if undefined(x, y):
        return
    found = correlation(x, y, permutations=20)
    r = scipy.stats.pearsonr(x, y)
    assert found.n == len(x)
    assert found.pearson.value == pytest.approx(r.statistic, abs=1e-9)
    if abs(r.statistic) < 0.999:
        interval = r.confidence_interval(0.95)
        assert (found.pearson.low, found.pearson.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.spearman.value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
    for coefficient in (found.pearson, found.spearman):
        assert -1 <= coefficient.low <= coefficient.value <= coefficient.high <= 1
        assert 1 / 21 <= coefficient.p <= 1


def test_the_interval_of_spearman_by_hand():
    """Bonett and Wright (2000): rho 0.7, n 7, standard error sqrt(1.245 / 4) on Fisher's scale."""
    x, y = [1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 6, 5]
    found = correlation(x, y, permutations=10).spearman
    assert found.value == pytest.approx(1 - 6 * (1 + 1 + 1 + 1 + 4 + 0 + 4) / (7 * 48))
    half = 1.959963984540054 * sqrt((1 + found.value**2 / 2) / 4)
    assert (found.low, found.high) == pytest.approx((tanh(atanh(found.value) - half), tanh(atanh(found.value) + half)))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2, 3, 4, 5, 6], [1.0, 2.5, 2.0, 5.0, 3.0, 4.0]),
        ([0.6, 0.9, 1, 1, 1, 1], [3.0, -2.0, 1.0, 5.0, 0.0, -1.0]),  # ties: many permutations are as extreme
    ],
    ids=["no ties", "ties"],
)
def test_p_values_are_those_of_all_permutations(x: list[float], y: list[float]):
    found = correlation(x, y)
    for mine, statistic in (
        (found.pearson, lambda b: np.corrcoef(x, b)[0, 1]),
        (found.spearman, lambda b: np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(b))[0, 1]),
    ):
        every = [abs(statistic(order)) for order in permutations(y)]
        exact = np.mean([value >= abs(statistic(y)) - 1e-12 for value in every])
        assert mine.p == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / 10_000) + 1e-4)


def test_a_perfect_order():
    found = correlation([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    assert found.pearson.value == found.pearson.low == found.pearson.high == pytest.approx(1)
    assert found.pearson.p == pytest.approx(2 / 120, abs=0.006)
    assert correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).spearman.value == pytest.approx(-1)


def test_what_does_not_change_a_correlation():
    x, y = [1.0, 4, 2, 8, 5, 7], [0.1, 0.3, 0.35, 0.8, 0.4, 0.2]
    found = correlation(x, y)
    assert correlation(x, y) == found
    scaled = correlation(x, [100 * value - 7 for value in y])
    assert (scaled.pearson.value, scaled.pearson.p) == pytest.approx((found.pearson.value, found.pearson.p))
    assert correlation(y, x).spearman.value == pytest.approx(found.spearman.value)
    assert correlation(x, [value**3 for value in y]).spearman == found.spearman
    assert correlation(x, y, seed=1).pearson.p != found.pearson.p


def test_what_has_no_correlation():
    assert undefined([1, 2, 3, 4], [1, 2, 3, 4]) == "with fewer than 5 languages a correlation means nothing"
    assert undefined([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) == "all values are equal"
    assert undefined([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]) == "all values are equal"
    assert undefined([1, 2, 3, 4, 5], [5, 3, 4, 1, 2]) is None
    with pytest.raises(ValueError, match="fewer than 5"):
        correlation([1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(ValueError, match="5 and 4 values are no pairs"):
        correlation([1, 2, 3, 4, 5], [1, 2, 3, 4])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_p_and_bonferroni(p_values: list[float]):
    adjusted = holm(p_values)
    for raw, mine in zip(p_values, adjusted, strict=True):
        assert raw <= mine <= min(1.0, len(p_values) * max(p_values))
    smallest = min(range(len(p_values)), key=p_values.__getitem__)
    assert adjusted[smallest] == min(1.0, len(p_values) * p_values[smallest])
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_questions_are_adjusted_for_one_another():
    y = {"de": 1.0, "fr": 2.0, "ja": 5.0, "ko": 4.0, "zh": 7.0, "tr": 6.0}
    near = {"de": 0.1, "fr": 0.2, "ja": 0.5, "ko": 0.6, "zh": 0.9, "tr": 0.8, "xx": 3.0}
    few = {"de": 0.1, "fr": 0.2, "ja": 0.5, "ko": 0.6}
    equal = dict.fromkeys(y, 1.0)
    found = answers([Question("a", "near", near, y), Question("a", "few", few, y), Question("a", "equal", equal, y)])
    assert [answer.n for answer in found] == [6, 4, 6]
    assert [answer.reason for answer in found] == [
        None,
        "with fewer than 5 languages a correlation means nothing",
        "all values are equal",
    ]
    first = found[0]
    assert first.correlation == correlation([0.1, 0.2, 0.5, 0.6, 0.9, 0.8], list(y.values()))
    assert [first.pearson_holm, first.spearman_holm] == holm(
        [first.correlation.pearson.p, first.correlation.spearman.p]
    )
    assert number_of_tests(found) == 2
    assert number_of_tests(answers([Question("a", "near", near, y)] * 3)) == 6
