"""An attack in a run: a curve over radii beside clean text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.config.run_spec import EvaluationRequest
from xrobust.errors import UserError
from xrobust.evaluate_trained import evaluate
from xrobust.results.store import load_predictions


def test_the_curve(finished_run: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(finished_run)
    params = {"epsilons": [0.5, 0.05], "steps": 3}
    request = EvaluationRequest(attack="pgd", attack_params=params, languages=("de",))
    result = evaluate(folder, request=request)
    rows = [r for r in result.main_scores() if r.condition == "attack"]
    assert [(r.attack, r.epsilon) for r in rows] == [
        ("pgd(epsilon=0.05,steps=3)", 0.05),
        ("pgd(epsilon=0.5,steps=3)", 0.5),
    ]
    clean = result.value("de")
    assert all(r.clean_value == clean and r.n == 24 and r.coverage == 1 for r in rows)
    assert clean >= rows[0].value >= rows[1].value and rows[1].value < clean
    for row in rows:
        said = load_predictions(folder, "de", row.attack)
        pairs = [(a, b) for p in said for a, b in zip(p["label"], p["prediction"], strict=True)]
        assert row.value == pytest.approx(sum(a == b for a, b in pairs) / len(pairs), abs=1e-12)
    assert result.summary is not None
    assert [(r.epsilon, r.value) for r in result.summary.robustness] == [(r.epsilon, r.value) for r in rows]
    again = evaluate(folder, request=request)
    assert again.scores == result.scores, "done once"

    other = EvaluationRequest(attack="pgd", attack_params={"epsilons": [0.1], "steps": 3}, languages=("de",))
    replaced = evaluate(folder, request=other)
    labels = [r.attack for r in replaced.main_scores() if r.condition == "attack"]
    assert labels == ["pgd(epsilon=0.1,steps=3)"], "one curve a language: its balls build on each other"


@pytest.mark.parametrize(
    ("attack", "params", "message"),
    [
        ("fgsm", {}, "unknown attack 'fgsm'"),
        ("pgd", {"epsilon": 0.1}, "unknown setting 'attack.epsilon': did you mean 'epsilons'"),
        ("pgd", {"epsilons": [0]}, "a radius must be greater than 0"),
        (None, {"steps": 3}, "setting 'attack.steps' without an attack: add --attack pgd"),
    ],
)
def test_what_is_wrong(
    trained_pair_run: Path, copied: Callable[[Path], Path], attack: str | None, params: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        evaluate(copied(trained_pair_run), request=EvaluationRequest(attack=attack, attack_params=params))
    assert message in str(caught.value)
