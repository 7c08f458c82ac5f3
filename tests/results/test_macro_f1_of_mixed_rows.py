"""Macro F1 where rows of clean and of perturbed text are put together: a column is one label in both.

Their predictions have different labels, so that columns by the labels that occur would not fit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scored_runs import write_scored_run
from sklearn.metrics import f1_score

from xrobust.errors import UserError
from xrobust.metrics import metric, score, values_of
from xrobust.results.board.predictions import check_predictions
from xrobust.results.compare import compare
from xrobust.results.examples import RunExamples, score_metric
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import load_result

C, E, N = "contradiction", "entailment", "neutral"
GOLD = [C, C, C, E, E, E, C, E]
CLEAN = [C, C, C, E, E, C, C, E]
CHANGED = {  # predictions for the first three examples
    "as many labels, one of them another": [N, C, N],
    "more labels than on clean text": [N, C, E],
    "one label": [N, N, N],
}


def write(folder: Path, changed: list[str], seed: int = 0, task: str = "xnli") -> Path:
    ids = [str(i) for i in range(len(GOLD))]
    return write_scored_run(
        folder,
        {"en": (ids, GOLD, CLEAN)},
        {"typos": {"en": (ids[:3], GOLD[:3], changed)}},
        metric_name="macro_f1",
        worst_case=True,
        labels=(C, E, N),
        task=task,
        seed=seed,
    )


def macro(gold: list[str], predicted: list[str]) -> float:
    return float(f1_score(gold, predicted, average="macro"))


@pytest.mark.parametrize("changed", CHANGED.values(), ids=list(CHANGED))
def test_mixed_rows_score_as_scikit_learn_does(tmp_path: Path, changed: list[str]) -> None:
    folder = write(tmp_path, changed)
    run = RunExamples(folder, load_result(folder), score_metric("macro_f1", "xnli"))
    clean = run.of(ScoreKey(language="en"))
    under = run.of(ScoreKey(language="en", condition="perturbed", perturbation="typos"))
    whole = np.array(clean.rows)
    whole[:3] = under.rows
    by = run.scored_by.metric
    assert values_of(by, whole) == pytest.approx([macro(GOLD, [*changed, *CLEAN[3:]])])
    assert values_of(by, under.rows) == pytest.approx([macro(GOLD[:3], changed)])
    rows = {row.label: row for row in load_result(folder).scores}
    assert rows["typos"].value_all == pytest.approx(macro(GOLD, [*changed, *CLEAN[3:]]))
    assert rows["typos"].clean_value == pytest.approx(macro(GOLD[:3], CLEAN[:3]))


@pytest.mark.parametrize("changed", CHANGED.values(), ids=list(CHANGED))
def test_the_worst_case_is_computed_again_from_saved_predictions(tmp_path: Path, changed: list[str]) -> None:
    folder = write(tmp_path, changed)
    assert check_predictions(folder).reason is None
    result = load_result(folder)
    (row,) = [row for row in result.scores if row.condition == "worst_case"]
    worst = [after if after != gold else before for after, before, gold in zip(changed, CLEAN, GOLD, strict=False)]
    assert row.value == pytest.approx(macro(GOLD[:3], worst)), "each change made a right answer wrong"


def test_sides_with_different_labels_are_compared(tmp_path: Path) -> None:
    first, second, _ = (str(write(tmp_path, changed, seed)) for seed, changed in enumerate(CHANGED.values()))
    found = compare(first, second, runs=tmp_path, metric="macro_f1").compared[0]
    rows = {(row.label, row.quantity): row for row in found.estimates}
    assert rows["typos", "score"].difference == pytest.approx(
        macro(GOLD[:3], CHANGED["more labels than on clean text"])
        - macro(GOLD[:3], CHANGED["as many labels, one of them another"])
    )


def test_a_label_that_the_task_does_not_have_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, [N, C, N], task="pawsx")
    assert "label 'contradiction' is none of 0, 1" in str(check_predictions(folder).reason)


def test_columns_are_those_of_the_labels_that_are_given() -> None:
    by = metric("macro_f1")
    for gold, predicted in (([C, E], [C, C]), ([N], [E]), ([C], [C])):
        rows = by.statistics(gold, predicted, (C, E, N))
        assert rows.shape == (len(gold), 9)
        assert values_of(by, rows) == pytest.approx([macro(gold, predicted)])
        assert score(by, gold, predicted, (C, E, N)) == score(by, gold, predicted)
    with pytest.raises(ValueError, match="label 'neutral' is none of contradiction, entailment"):
        by.statistics([N], [E], (C, E))


def test_a_metric_that_needs_the_labels_of_a_task_that_is_not_here_says_so() -> None:
    with pytest.raises(
        UserError,
        match=r"unknown task .mine.: .*; macro_f1 is computed with its labels: name it with --plugin FILE",
    ):
        score_metric("macro_f1", "mine")
    assert score_metric("accuracy", "mine").labels == (), "which needs no labels"
