"""Tests of correlations over related languages: groups, the effective number of languages, error rates."""

from __future__ import annotations

from math import atanh, sqrt, tanh

import numpy as np
import pytest
import scipy.stats
from benchmarks.related_languages import LANGUAGES, World, by_effective_size, over_languages, rejected

from xrobust.analysis.distance import distances
from xrobust.analysis.families import language_groups
from xrobust.analysis.related import (
    effective_size,
    intraclass_correlation,
    related_correlation,
    undefined_of_related,
)
from xrobust.registry.plugins import Plugins

pytest.importorskip("urielplus", reason='language distances are not installed: pip install "xrobust[analysis]"')


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_groups_are_families_and_indo_european_by_branch() -> None:
    found = language_groups(["af", "nl", "es", "ru", "hi", "fa", "el", "ar", "he", "et", "hu", "ms", "ta", "ko", "eu"])
    assert found == {
        "af": "Germanic", "nl": "Germanic", "es": "Italic", "ru": "Balto-Slavic", "hi": "Indo-Iranian",
        "fa": "Indo-Iranian", "el": "Graeco-Phrygian", "ar": "Afro-Asiatic", "he": "Afro-Asiatic", "et": "Uralic",
        "hu": "Uralic", "ms": "Austronesian", "ta": "Dravidian", "ko": "Koreanic", "eu": "eu",
    }  # fmt: skip
    assert language_groups(["qq"]) == {"qq": "qq"}, "a language that nobody knows is related to none"


def test_every_language_of_the_tasks_but_the_isolate_has_a_family() -> None:
    tasks = [Plugins().load("tasks", name) for name in ("pawsx", "xnli", "wikiann", "pos")]
    languages = sorted({language for task in tasks for language in task.info.languages})
    assert [code for code, group in language_groups(languages).items() if group == code] == ["eu"]


def test_the_intraclass_correlation_is_that_of_fisher() -> None:
    """Of groups of two it is Pearson's r over all pairs in both orders, but for the degrees of freedom."""
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 2))
    both = np.concatenate([pairs, pairs[:, ::-1]])
    mine = intraclass_correlation(pairs.ravel(), np.arange(4000).repeat(2))
    assert mine == pytest.approx(np.corrcoef(both.T)[0, 1], abs=1e-3)
    assert intraclass_correlation(np.array([1.0, 1, 5, 5, 9]), np.array([0, 0, 1, 1, 2])) == 1
    assert intraclass_correlation(np.array([1.0, 9, 1, 9, 5]), np.array([0, 0, 1, 1, 2])) == 0, "negative"
    assert intraclass_correlation(np.array([1.0, 2, 3]), np.array([0, 1, 2])) == 0, "no group has two"


def test_the_effective_number_of_languages() -> None:
    """The variance of r over pairs of variables with this relation is 1 / (m - 1), by simulation."""
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7])
    equal = np.random.default_rng(1).normal(size=8)[groups]  # correlation 1 within groups
    m = effective_size(equal, equal, groups)
    draws = np.random.default_rng(2).normal(size=(2, 20_000, 8))[:, :, groups]
    a, b = draws - draws.mean(axis=2, keepdims=True)
    r = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    assert m < 8
    assert m == pytest.approx(1 + 1 / (r**2).mean(), abs=0.35)
    alone = np.arange(16)
    assert effective_size(equal, equal, alone) == pytest.approx(16)
    assert effective_size(equal, np.resize([1.0, -1.0], 16), groups) == pytest.approx(16), "one is not related"


def test_unrelated_languages_are_as_they_were() -> None:
    """Each its own group: p is Student's, intervals are Fisher's, of all languages."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=12), rng.normal(size=12)
    found = related_correlation(list(x), list(y), [str(i) for i in range(12)])
    r = scipy.stats.pearsonr(x, y)
    assert (found.pearson.value, found.pearson.p) == (pytest.approx(r.statistic), pytest.approx(r.pvalue))
    interval = r.confidence_interval(0.95)
    assert (found.pearson.low, found.pearson.high) == pytest.approx((interval.low, interval.high))
    rho = scipy.stats.spearmanr(x, y)
    assert (found.spearman.value, found.spearman.p) == (pytest.approx(rho.statistic), pytest.approx(rho.pvalue))


def test_related_languages_count_for_less() -> None:
    groups = list("aaabbbcccddef")
    common = dict(zip("abcdef", (1.0, 5.0, 2.0, 9.0, 4.0, 7.0), strict=True))
    x = [common[g] + 0.1 * i for i, g in enumerate(groups)]
    y = [common[g] + 0.9 * (i % 3) for i, g in enumerate(groups)]
    found = related_correlation(x, y, groups)
    m = found.pearson.effective_n
    assert m is not None and 5 < m < 8
    r = found.pearson.value
    assert found.pearson.p == pytest.approx(2 * scipy.stats.t.sf(r * sqrt((m - 2) / (1 - r * r)), m - 2))
    half = scipy.stats.norm.ppf(0.975) / sqrt(m - 3)
    assert (found.pearson.low, found.pearson.high) == pytest.approx((tanh(atanh(r) - half), tanh(atanh(r) + half)))
    assert found.pearson.p > scipy.stats.pearsonr(x, y).pvalue


def test_what_has_no_test() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert undefined_of_related(values, values[::-1], list("aabbcd")) == (
        "its languages are of 4 groups of related ones, and with fewer than 5 nothing can be said"
    )
    assert undefined_of_related(values, [1.0] * 6, list("abcdef")) == "all values are equal"
    assert undefined_of_related(values, values, list("aabcde")) is None
    perfect = related_correlation(values, values, list("aabcde")).pearson
    assert perfect.p == 0 and perfect.low == perfect.high == pytest.approx(1)
    with pytest.raises(ValueError, match="6 values of 2 languages"):
        related_correlation(values, values, ["a", "b"])


def test_error_rates_over_the_languages_of_wikiann(world: World) -> None:
    """Nothing explains gains that related languages share: shuffling finds a reason in 15% of samples."""
    known = distances("en", LANGUAGES, ["syntactic"]).values["syntactic"]
    x = np.array([known[code] for code in LANGUAGES])
    tests = (over_languages, by_effective_size)
    free, mine = rejected(world, lambda: (x, world.related(0.5)), 400, tests)
    assert free > 0.11, free
    assert 0.025 < mine < 0.09, mine
    (power,) = rejected(world, lambda: (x, world.correlated(x, 0.5, 0.5)), 150, tests[1:])
    assert 0.45 < power < 0.75, power
