"""Intervals hold the truth and tests keep to 5% on simulated runs: tests.benchmarks.comparison_coverage in short.

A rate of 500 replications has a standard error of about 1 point; the full simulation is in docs/comparing.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.comparison_coverage import measure
from benchmarks.comparison_model import EXAMPLES_DOMINATE, METRICS, SEEDS_DOMINATE, Design, Simulation

REPLICATIONS = 500
TARGETS = ("average", "single", "drop")
DESIGNS = {
    "seeds dominate, parallel": Design(SEEDS_DOMINATE, "accuracy", True, 10, 50),
    "seeds dominate, span F1": Design(SEEDS_DOMINATE, "span F1", False, 2, 100),
    "examples dominate, parallel": Design(EXAMPLES_DOMINATE, "token accuracy", True, 10, 50),
    "examples dominate, span F1": Design(EXAMPLES_DOMINATE, "span F1", True, 2, 100),
    "paired seeds": Design(SEEDS_DOMINATE, "accuracy", True, 2, 100, shared_seeds=0.7),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_hold_the_truth_and_false_positives_are_few(name: str) -> None:
    records = measure(DESIGNS[name], REPLICATIONS, seed=1)
    for kind in ("not covered", "rejected"):
        rates = {(r["seeds"], target): r[kind][target][0] for r in records for target in TARGETS}
        assert max(rates.values()) <= 0.08, (kind, rates)
        assert np.mean(list(rates.values())) <= 0.055, (kind, rates)
    (ten,) = [r for r in records if r["seeds"] == "10"]
    assert ten["power"]["of the median"][0] == pytest.approx(0.8, abs=0.08)


def test_tests_that_take_languages_or_sentences_for_independent_runs_find_what_is_not_there() -> None:
    (five,) = [r for r in measure(DESIGNS["seeds dominate, parallel"], 100, seed=2) if r["seeds"] == "5"]
    for wrong in ("t over languages", "pooled sentences", "McNemar"):
        assert five["rejected"][wrong][0] > 0.3


@pytest.mark.parametrize("metric", METRICS)
def test_the_truth_of_the_simulation_is_the_mean_of_its_runs(metric: str) -> None:
    design = Design(SEEDS_DOMINATE, metric, False, 2, 200)
    runs = Simulation(design, np.random.default_rng(0)).draw(150)
    for version, truths in design.truths.items():
        for condition, truth in enumerate(truths):
            scores = runs[version][condition].score_and_influence()[0].mean(axis=2)  # over seeds
            error = scores.std(axis=0) / np.sqrt(len(scores))
            assert (np.abs(scores.mean(axis=0) - truth) < 4 * error).all()
    assert design.truths["alike"] == pytest.approx(design.truths["A"])
