"""Comparisons of runs with saved predictions: numbers beside independent ones, sides, and refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from scored_runs import accuracy_group, under_attack, write_scored_run

from xrobust.errors import UserError
from xrobust.report.comparison_tables import comparison_tables
from xrobust.results.compare import compare
from xrobust.results.store import load_predictions, load_result, save_result

LANGUAGES = {"en": 0.8, "de": 0.6, "fr": 0.55}
BETTER = {"en": 0.8, "de": 0.7, "fr": 0.65}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods, three seeds each, clean and under typos; the same ids in all languages."""
    folder = tmp_path_factory.mktemp("runs")
    accuracy_group(folder, "vanilla", LANGUAGES, [1, 2, 3], drop=0.2, spread=0.004)
    accuracy_group(folder, "rs_aug", BETTER, [1, 2, 3], drop=0.1, spread=0.004)
    return folder


def correct(folder: Path, method: str, language: str, label: str | None = None) -> np.ndarray:
    """(seeds, examples): 1 where the saved prediction is right, by seed."""
    found = []
    for run in sorted((folder / "pos" / method).iterdir(), key=lambda run: load_result(run).spec.train.seed):
        rows = load_predictions(run, language, label)
        found.append([float(row["label"] == row["prediction"]) for row in rows])
    return np.array(found)


def by_hand(deltas: list[np.ndarray], seeds: list[np.ndarray]) -> tuple[float, float]:
    """Estimate and variance from (examples,) of each language with one id in common, and (seeds,) of each side."""
    n = len(deltas[0])
    u = np.sum([d - d.mean() for d in deltas], axis=0) / (len(deltas) * n)
    examples = n / (n - 1) * float((u**2).sum())
    return float(seeds[1].mean() - seeds[0].mean()), examples + sum(s.var(ddof=1) / len(s) for s in seeds)


def test_average_and_variance_are_those_computed_by_hand(runs: Path) -> None:
    row = compare("method=vanilla", "method=rs_aug", runs=runs).compared[0].find()
    a = [correct(runs, "vanilla", language) for language in LANGUAGES]
    b = [correct(runs, "rs_aug", language) for language in LANGUAGES]
    deltas = [y.mean(axis=0) - x.mean(axis=0) for x, y in zip(a, b, strict=True)]
    estimate, variance = by_hand(deltas, [np.mean([x.mean(axis=1) for x in side], axis=0) for side in (a, b)])
    assert row.difference == pytest.approx(estimate)
    assert row.standard_error == pytest.approx(variance**0.5)
    assert row.df is not None and row.ci_low is not None and row.p is not None
    half = scipy.stats.t.ppf(0.975, row.df) * variance**0.5
    assert (row.ci_low, row.ci_high) == (pytest.approx(estimate - half), pytest.approx(estimate + half))
    assert row.p == pytest.approx(2 * scipy.stats.t.sf(abs(estimate) / variance**0.5, row.df))
    assert row.verdict == "better" and row.n == 600 and row.test_sets == 3


def test_drop_is_a_difference_of_differences_over_the_changed_examples(runs: Path) -> None:
    row = compare("method=vanilla", "method=rs_aug", runs=runs).compared[0].find("typos", "average", "drop")
    sides, deltas = [], []
    for method in ("vanilla", "rs_aug"):
        drops = []
        for language in LANGUAGES:
            under = correct(runs, method, language, "typos")
            drops.append(correct(runs, method, language)[:, : under.shape[1]] - under)
        sides.append(np.mean([d.mean(axis=1) for d in drops], axis=0))
        deltas.append([d.mean(axis=0) for d in drops])
    estimate, variance = by_hand([b - a for a, b in zip(*deltas, strict=True)], sides)
    assert row.difference == pytest.approx(estimate)
    assert row.standard_error == pytest.approx(variance**0.5)
    assert row.difference < 0 and row.verdict == "better", "a smaller drop is the better one"


def test_holm_is_over_the_languages_and_languages_are_counted(runs: Path) -> None:
    part = compare("method=vanilla", "method=rs_aug", runs=runs).compared[0]
    rows = [row for row in part.estimates if row.over == "language" and row.label == "clean"]
    smallest = min(rows, key=lambda row: row.p or 0)
    assert smallest.p_holm == pytest.approx(min(1, 3 * (smallest.p or 0)))
    (count,) = [count for count in part.counts if count.label == "clean"]
    assert (count.languages, count.worse) == (3, 0)
    assert count.better == 2, "en is the same for both"


def test_unrelated_test_sets_are_separate_draws(tmp_path: Path) -> None:
    for method, accuracy in (("vanilla", LANGUAGES), ("rs_aug", BETTER)):
        accuracy_group(tmp_path / "parallel", method, accuracy, [1, 2], parallel=True)
        accuracy_group(tmp_path / "unrelated", method, accuracy, [1, 2], parallel=False)
    parallel, unrelated = (
        compare("method=vanilla", "method=rs_aug", runs=tmp_path / name).compared[0]
        for name in ("parallel", "unrelated")
    )
    singles = [row.standard_error or 0 for row in unrelated.estimates if row.over == "language"]
    assert unrelated.find().df != parallel.find().df
    together = np.sqrt(np.sum(np.square(singles))) / 3
    assert unrelated.find().standard_error == pytest.approx(together, rel=0.1), "no covariance between languages"


def test_span_f1_of_tags_is_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gold = [["B-PER", "I-PER", "O", "B-LOC"] if rng.random() < 0.7 else ["O", "O", "O"] for _ in range(60)]
    for method, rate in (("vanilla", 0.6), ("rs_aug", 0.1)):
        for seed in (1, 2, 3, 4):
            said = [["O"] * len(g) if rng.random() < rate else g for g in gold]
            ids = [f"de:{i}" for i in range(len(gold))]
            write_scored_run(
                tmp_path, {"de": (ids, gold, said)}, metric_name="span_f1", method=method, seed=seed, task="wikiann"
            )
    comparison = compare("method=vanilla", "method=rs_aug", runs=tmp_path)
    row = comparison.compared[0].find(over="language")
    assert comparison.metric == "span_f1" and row.verdict == "better"
    precision = compare("method=vanilla", "method=rs_aug", runs=tmp_path, metric="span_recall")
    assert precision.metric == "span_recall" and precision.compared[0].find(over="language").difference > 0


def test_bootstrap_agrees_with_the_formula_where_there_are_many_seeds(tmp_path: Path) -> None:
    for method, accuracy in (("vanilla", LANGUAGES), ("rs_aug", BETTER)):
        accuracy_group(tmp_path, method, accuracy, range(1, 13), spread=0.05)
    row = compare("method=vanilla", "method=rs_aug", runs=tmp_path, bootstrap=True).compared[0].find()
    assert row.bootstrap_low == pytest.approx(row.ci_low, abs=0.02)
    assert row.bootstrap_high == pytest.approx(row.ci_high, abs=0.02)


def test_one_seed_a_side_is_no_test_of_methods_but_of_two_models(runs: Path) -> None:
    part = compare("method=vanilla,seed=1", "method=rs_aug,seed=1", runs=runs).compared[0]
    assert all(row.verdict == "no test" and row.p is None for row in part.estimates)
    assert "one seed" in part.sentences[0]
    a, b = (correct(runs, method, "de")[0].astype(bool) for method in ("vanilla", "rs_aug"))
    (test,) = [test for test in part.trained_models if test.language == "de"]
    assert (test.only_baseline, test.only_other) == ((a & ~b).sum(), (b & ~a).sum())
    assert test.p == pytest.approx(scipy.stats.binomtest(int((a & ~b).sum()), int((a != b).sum())).pvalue)


def test_two_runs_of_one_group_are_compared_as_models(runs: Path) -> None:
    first, second = sorted((runs / "pos" / "vanilla").iterdir())[:2]
    comparison = compare(first, second)
    assert "seed" in comparison.baseline.name
    assert comparison.compared[0].trained_models


def test_a_seed_fewer_than_five_is_marked(runs: Path) -> None:
    assert "only 3 seeds" in compare("method=vanilla", "method=rs_aug", runs=runs).compared[0].sentences[0]


def test_paired_seeds_use_the_differences(runs: Path) -> None:
    row = compare("method=vanilla", "method=rs_aug", runs=runs, paired_seeds=True).compared[0].find()
    a, b = (np.mean([correct(runs, m, x).mean(axis=1) for x in LANGUAGES], axis=0) for m in ("vanilla", "rs_aug"))
    deltas = [correct(runs, "rs_aug", x).mean(axis=0) - correct(runs, "vanilla", x).mean(axis=0) for x in LANGUAGES]
    _, variance = by_hand(deltas, [np.zeros(3), b - a])
    assert row.standard_error == pytest.approx(variance**0.5)
    with pytest.raises(UserError, match="same seeds on both sides"):
        compare("method=vanilla,seed=1", "method=rs_aug", runs=runs, paired_seeds=True)


def test_several_sides_adjust_the_averages(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    accuracy_group(tmp_path / "runs", "lora", LANGUAGES, [1, 2, 3], drop=0.2, spread=0.004)
    comparison = compare("method=vanilla", tmp_path / "runs", runs=tmp_path / "runs")
    assert [part.other.name for part in comparison.compared] == ["lora", "rs_aug"]
    p = {part.other.name: part.find() for part in comparison.compared}
    assert p["rs_aug"].p_holm == pytest.approx(2 * (p["rs_aug"].p or 0))
    assert "Holm over 2 comparisons" in comparison.compared[0].sentences[0]


def edited(folder: Path, change: Any) -> None:
    """Changes the document of a run, and signs it again."""
    result = load_result(folder)
    change(result)
    save_result(folder, result)


def copied(runs: Path, tmp_path: Path) -> Path:
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def test_refused_other_test_data(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)

    def other_rows(result: Any) -> None:
        for row in result.scores:
            if row.language == "fr":
                row.__dict__["rows_sha256"] = "f" * 64

    edited(next((folder / "pos" / "rs_aug").iterdir()), other_rows)
    with pytest.raises(UserError, match="other test data in fr"):
        compare("method=vanilla", "method=rs_aug", runs=folder)


def test_refused_other_languages_unless_common(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)

    def without_french(result: Any) -> None:
        result.scores = [row for row in result.scores if row.language != "fr"]

    edited(next((folder / "pos" / "rs_aug").iterdir()), without_french)
    with pytest.raises(UserError, match=r"no score in fr.*--common"):
        compare("method=vanilla", "method=rs_aug", runs=folder)
    comparison = compare("method=vanilla", "method=rs_aug", runs=folder, common=True)
    assert comparison.compared[0].languages == ["en", "de"] and comparison.common_only


def test_refused_other_budget_unless_any(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)

    def longer(result: Any) -> None:
        result.training.budget.steps = 4

    for run in (folder / "pos" / "rs_aug").iterdir():
        edited(run, longer)
    with pytest.raises(UserError, match=r"1 and 4 optimiser steps.*--budget any"):
        compare("method=vanilla", "method=rs_aug", runs=folder)
    comparison = compare("method=vanilla", "method=rs_aug", runs=folder, budget="any")
    assert comparison.compared[0].budgets_differ and "BUDGETS DIFFER" in comparison.notes[0]
    *tables, budgets = comparison_tables(comparison)
    assert all("BUDGETS DIFFER (equal epochs)" in table.title for table in tables)
    assert [row[1] for row in budgets.rows] == ["baseline", "BUDGETS DIFFER (equal epochs)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda result: setattr(result, "sample", True), "sample data"),
        (lambda result: [row.__dict__.update(metric_version=2) for row in result.scores], "version"),
    ],
)
def test_refused_sample_data_and_other_versions(runs: Path, tmp_path: Path, change: Any, message: str) -> None:
    folder = copied(runs, tmp_path)
    for run in (folder / "pos" / "rs_aug").iterdir():
        edited(run, change)
    with pytest.raises(UserError, match=message):
        compare("method=vanilla", "method=rs_aug", runs=folder)


def test_a_worst_case_of_other_perturbations_is_not_compared(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "pos" / "vanilla", tmp_path / "pos" / "vanilla")
    accuracy_group(tmp_path, "rs_aug", BETTER, [1, 2, 3], drop=0.1, label="casing")
    left = compare("method=vanilla", "method=rs_aug", runs=tmp_path).compared[0].not_compared
    reasons = {item.label: item.reason for item in left}
    assert set(reasons) == {"typos", "casing", "worst of typos", "worst of casing"}
    assert "worst case of other perturbations in" in reasons["worst of casing"]


def test_a_worst_case_of_other_rows_of_the_same_perturbations_is_not_compared(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)

    def of_another_seed(result: Any) -> None:
        for row in result.scores:
            if row.condition == "perturbed":
                row.__dict__.update(rows_sha256="0" * 64)

    for run in (folder / "pos" / "rs_aug").iterdir():
        edited(run, of_another_seed)
    left = compare("method=vanilla", "method=rs_aug", runs=folder).compared[0].not_compared
    assert "other perturbed rows" in {item.label: item.reason for item in left}["worst of typos"]


def test_a_language_with_few_changed_examples_is_shown_and_not_averaged(tmp_path: Path) -> None:
    """Of 100 sentences one language has all halves changed, the other three sentences."""
    for method, right in (("vanilla", 30), ("rs_aug", 40)):
        for seed in (1, 2):
            ids, gold = [str(i) for i in range(100)], ["yes"] * 100
            said = ["yes"] * (right + seed) + ["no"] * (100 - right - seed)
            few, many = (ids[:3], gold[:3], ["no"] * 3), (ids[:60], gold[:60], said[:60])
            write_scored_run(
                tmp_path,
                dict.fromkeys(("en", "de", "fr"), (ids, gold, said)),
                {"typos": {"de": many, "fr": few}},
                method=method,
                seed=seed,
            )
    comparison = compare("method=vanilla", "method=rs_aug", runs=tmp_path)
    (part,) = comparison.compared
    typos = {row.name: row for row in part.estimates if (row.label, row.quantity) == ("typos", "score")}
    assert comparison.min_examples == 30
    assert (typos["average"].test_sets, typos["average"].too_few) == (1, ("fr",))
    assert typos["average"].other == typos["de"].other
    assert (typos["fr"].few, typos["fr"].n, typos["de"].few) == (True, 3, False)
    assert [row.few for row in part.estimates if row.condition == "clean"] == [False] * 5


def test_the_larger_of_two_numbers_of_examples_is_used_and_said(tmp_path: Path) -> None:
    for method, least in (("vanilla", 30), ("rs_aug", 150)):
        for run in accuracy_group(tmp_path, method, {"en": 0.7, "de": 0.6}, [1, 2], drop=0.1):
            edited(run, lambda result, least=least: _with_least(result, least))
    comparison = compare("method=vanilla", "method=rs_aug", runs=tmp_path)
    assert comparison.min_examples == 150
    assert any("robustness.min_examples 30 and 150: 150 is used for all" in note for note in comparison.notes)
    (part,) = comparison.compared
    assert {row.label for row in part.estimates if row.over == "average"} == {"clean"}, "100 examples are too few"
    assert "Under typos, there is no average: no language has 150 changed examples." in part.sentences


def _with_least(result: Any, least: int) -> None:
    evaluation = result.spec.evaluation.model_copy(update={"min_examples": least})
    result.spec = result.spec.model_copy(update={"evaluation": evaluation})


STRENGTH = {"radius": 0.02, "attack_losses": "margin+cross_entropy", "attack_steps": 10, "attack_restarts": 1}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"radius": 0.02 * (1 + 1e-8)}, None),
        ({"radius": 0.0201}, "(radius 0.02 and 0.0201)"),
        ({"attack_losses": "margin"}, "(losses margin+cross_entropy and margin)"),
        ({"attack_steps": 20}, "(steps 10 and 20)"),
        ({"attack_restarts": 2}, "(restarts 1 and 2)"),
        (dict.fromkeys(STRENGTH), "(radius 0.02 and not written down)"),
    ],
)
def test_attacks_of_another_strength_are_not_compared(
    runs: Path, tmp_path: Path, other: dict[str, Any], reason: str | None
) -> None:
    folder = copied(runs, tmp_path)
    for method, strength in (("vanilla", STRENGTH), ("rs_aug", STRENGTH | other)):
        for run in (folder / "pos" / method).iterdir():
            edited(run, under_attack("pgd(epsilon=0.01)", **strength))
    found = compare("method=vanilla", "method=rs_aug", runs=folder).compared[0]
    reasons = [item.reason for item in found.not_compared]
    assert len(reasons) == (reason is not None)
    assert reason is None or (reason in reasons[0] and "under pgd(epsilon=0.01)" in reasons[0])
    if reason is None:
        assert found.find("pgd(epsilon=0.01)").n == 300


def test_predictions_must_give_the_scores(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    run = next((folder / "pos" / "rs_aug").iterdir())

    def raised(result: Any) -> None:
        result.scores[0].__dict__.update(value=0.99)

    edited(run, raised)
    comparison = compare("method=vanilla", "method=rs_aug", runs=folder)
    (left,) = comparison.excluded
    assert "its predictions give accuracy" in left.reason and left.path == str(run)
    assert len(comparison.compared[0].other.seeds) == 2
    (run / "predictions" / "en.parquet").unlink()
    assert "predictions are missing" in compare("method=vanilla", "method=rs_aug", runs=folder).excluded[0].reason
    with pytest.raises(UserError, match="no run is left"):
        compare("method=vanilla", run, runs=folder)


def test_other_numbers_of_word_pieces_are_noted(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    for run in (folder / "pos" / "rs_aug").iterdir():
        edited(run, lambda result: setattr(result.training.budget, "tokens", 100))
    notes = compare("method=vanilla", "method=rs_aug", runs=folder).notes
    assert any("were trained on 80 and 100 word pieces in as many steps" in note for note in notes)


def test_a_method_that_processes_more_in_as_many_steps_is_said_to(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    for method, passes in (("vanilla", 1), ("rs_aug", 3)):
        for run in (folder / "pos" / method).iterdir():
            edited(run, lambda result, n=passes: setattr(result.training.budget, "processed_tokens", 80 * n))
    comparison = compare("method=vanilla", "method=rs_aug", runs=folder)
    assert "vanilla and rs_aug put 80 and 240 word pieces through the encoder in as many steps" in comparison.notes
    assert comparison.compared[0].equal == ("steps", "epochs")
    *tables, budgets = comparison_tables(comparison)
    assert all("equal steps and epochs" in table.title for table in tables)
    cells = [dict(zip(budgets.columns, row, strict=True)) for row in budgets.rows]
    assert [(row[""], row["budget"], row["steps"], row["processed"], row["looks"]) for row in cells] == [
        ("vanilla", "baseline", "1", "80", "0"),
        ("rs_aug", "equal steps and epochs", "1", "240", "0"),
    ]


def test_a_side_that_cannot_be_compared_does_not_stop_the_others(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    for run in accuracy_group(folder, "lora", LANGUAGES, [1, 2, 3], drop=0.2):
        edited(run, lambda result: setattr(result.training.budget, "steps", 7))
    comparison = compare("method=vanilla", folder, runs=folder)
    assert [part.other.name for part in comparison.compared] == ["rs_aug"]
    assert any(note.startswith("NOT COMPARED: lora: ") for note in comparison.notes)
    assert comparison.compared[0].find().tests == 1


def test_what_was_detectable_is_that_of_the_tests_that_were_made(runs: Path) -> None:
    rows = compare("method=vanilla", "method=rs_aug", runs=runs).compared[0].estimates
    single = next(row for row in rows if row.language == "de" and row.label == "clean")
    assert single.tests == 3 and single.detectable and single.standard_error and single.df
    critical = scipy.stats.t.ppf(1 - 0.05 / 6, single.df)
    power = scipy.stats.nct(single.df, single.detectable / single.standard_error).sf(critical)
    assert power == pytest.approx(0.8, abs=0.005)


def test_refused_two_tasks_and_a_group_beside_itself(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    accuracy_group(folder, "rs_aug", BETTER, [1], task="xnli")
    with pytest.raises(UserError, match="two tasks"):
        compare("method=vanilla", "task=xnli", runs=folder)
    with pytest.raises(UserError, match="must be one group"):
        compare("seed=1", "method=vanilla", runs=folder)
    with pytest.raises(UserError, match="runs of one group"):
        compare("method=vanilla", "method=vanilla", runs=folder)
    with pytest.raises(UserError, match="no scores of metric 'f1'"):
        compare("method=vanilla", "method=rs_aug", runs=runs, metric="f1")


def test_a_prediction_outside_the_run_is_not_read(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    run = next((folder / "pos" / "rs_aug").iterdir())

    def outside(result: Any) -> None:
        result.artifacts[0].path = "../elsewhere.parquet"

    edited(run, outside)
    (left,) = compare("method=vanilla", "method=rs_aug", runs=folder).excluded
    assert "outside the run's folder" in left.reason


def test_the_document_fits_its_schema_and_is_the_same_each_time(runs: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from xrobust.results.comparing.document import comparison_schema

    one, other = (compare("method=vanilla", "method=rs_aug", runs=runs).text() for _ in range(2))
    assert one == other
    jsonschema.validate(json.loads(one), comparison_schema())


def test_a_note_has_both_values_of_each_setting_that_differs(runs: Path, tmp_path: Path) -> None:
    folder = copied(runs, tmp_path)
    accuracy_group(folder, "lora", LANGUAGES, [1, 2, 3], drop=0.2, settings={"learning_rate": 5e-3})
    notes = compare("method=vanilla", "method=lora", runs=folder).notes
    assert "vanilla and lora differ in training.learning_rate 0.001 and 0.005 too" in notes
