"""Means under a condition: over languages with enough changed examples, and over one set of a worst case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handmade_runs import make_run, write_runs

from xrobust.errors import UserError
from xrobust.results.runs import scored_with
from xrobust.results.schema import RunResult
from xrobust.results.sections import Robustness, ScoreRow
from xrobust.results.store import load_result
from xrobust.results.summary import summarise


def score(language: str, n: int, drop: float, condition: str = "perturbed", **columns: Any) -> ScoreRow:
    """A score of `n` examples that lost `drop` of 0.9."""
    under = {"perturbation": "typos"} if condition == "perturbed" else {}
    clean = condition == "clean"
    return ScoreRow(
        language=language,
        condition=condition,  # type: ignore[arg-type]
        metric="accuracy",
        metric_version=1,
        value=0.9 - drop,
        ci_low=0.0,
        ci_high=1.0,
        n=n,
        clean_value=None if clean else 0.9,
        drop=None if clean else drop,
        rows_sha256=language,
        seconds=0.0,
        **under,
        **columns,
    )


def run(rows: list[ScoreRow], least: int | None = None) -> RunResult:
    clean = [score(code, 1000, 0.0, "clean") for code in dict.fromkeys(row.language for row in rows) if code]
    result = make_run([*clean, *rows])
    evaluation = result.spec.evaluation.model_copy(update={"min_examples": least})
    result.spec = result.spec.model_copy(update={"evaluation": evaluation})
    return result


def robustness(result: RunResult) -> list[Robustness]:
    summary = summarise(result)
    assert summary is not None
    return summary.robustness


def test_a_language_with_three_changed_examples_is_in_no_mean() -> None:
    rows = [score("en", 500, 0.1), score("de", 300, 0.2), score("fr", 100, 0.4), score("hu", 3, 0.9)]
    (typos,) = robustness(run(rows))
    assert (typos.languages, typos.too_few, typos.min_examples, typos.examples) == (3, ("hu",), 30, 403)
    assert typos.drop == pytest.approx((0.2 + 0.4) / 2)
    assert typos.value == pytest.approx((0.7 + 0.5) / 2)
    assert typos.pooled_drop == pytest.approx((300 * 0.2 + 100 * 0.4 + 3 * 0.9) / 403)


@pytest.mark.parametrize(("least", "too_few"), [(3, ()), (4, ("hu",)), (301, ("de", "hu"))])
def test_the_number_is_a_setting(least: int, too_few: tuple[str, ...]) -> None:
    (typos,) = robustness(run([score("de", 300, 0.2), score("hu", 3, 0.9)], least))
    assert (typos.too_few, typos.min_examples) == (too_few, least)
    assert (typos.drop is None) == (len(too_few) == 2)
    assert typos.pooled_drop is not None


def test_the_rule_holds_for_attacks_and_not_for_clean_text() -> None:
    small = [score("en", 20, 0.0, "clean"), score("de", 20, 0.0, "clean")]
    result = make_run([*small, score("de", 20, 0.2, "attack", attack="pgd(epsilon=0.1)")])
    summary = summarise(result)
    assert summary is not None and summary.average_targets == pytest.approx(0.9)
    (attack,) = summary.robustness
    assert (attack.too_few, attack.value) == (("de",), None)


def test_two_sets_of_a_worst_case_stand_in_two_rows() -> None:
    one = score("de", 100, 0.2, "worst_case", worst_of=("casing",))
    two = score("fr", 100, 0.4, "worst_case", worst_of=("casing", "typos"))
    rows = {row.label: row for row in robustness(run([one, two]))}
    assert {label: (row.languages, row.drop) for label, row in rows.items()} == {
        "worst of casing": (1, pytest.approx(0.2)),
        "worst of casing, typos": (1, pytest.approx(0.4)),
    }


def test_an_analysis_of_worst_cases_of_two_sets_names_one() -> None:
    sets = [("casing",), ("casing", "typos")]
    runs = [run([score("de", 100, 0.2, "worst_case", worst_of=worst_of)]) for worst_of in sets]
    assert scored_with(runs[:1], None, "worst_case") == "worst of casing"
    assert scored_with(runs, None, "worst of casing, typos") == "worst of casing, typos"
    with pytest.raises(UserError, match="worst cases of several sets"):
        scored_with(runs, None, "worst_case")


def test_a_document_keeps_it(tmp_path: Path) -> None:
    write_runs(tmp_path, run([score("hu", 3, 0.9)], 2))
    (folder,) = (path.parent for path in tmp_path.rglob("result.json"))
    result = load_result(folder)
    assert result.spec.evaluation.min_examples == 2
    assert result.summary == summarise(result)
