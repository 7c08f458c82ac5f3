"""An attack in a run: a curve over radii beside clean text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xrobust.config.run_spec import EvaluationRequest
from xrobust.contracts.encoded import IGNORED, Encoded
from xrobust.errors import UserError
from xrobust.evaluate_trained import evaluate
from xrobust.evaluation.conditions.attack import PgdParams
from xrobust.results.store import load_predictions, save_result


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
    unit = result.model.embedding_norm
    assert unit is not None
    for row in rows:
        strength = (row.attack_losses, row.attack_steps, row.attack_restarts)
        assert strength == ("margin+cross_entropy", 3, 1) and row.radius == pytest.approx((row.epsilon or 0) * unit)
    clean = result.value("de")
    assert all(r.clean_value == clean and r.n == 24 and r.coverage == 1 for r in rows)
    assert clean >= rows[0].value >= rows[1].value and rows[1].value < clean
    for row in rows:
        said = load_predictions(folder, "de", row.attack)
        pairs = [(a, b) for p in said for a, b in zip(p["label"], p["prediction"], strict=True)]
        assert row.value == pytest.approx(sum(a == b for a, b in pairs) / len(pairs), abs=1e-12)
    assert result.summary is not None
    assert [(r.epsilon, r.pooled_drop) for r in result.summary.robustness] == [
        (r.epsilon, pytest.approx(r.drop)) for r in rows
    ], "24 examples are too few for a mean"
    again = evaluate(folder, request=request)
    assert again.scores == result.scores, "done once"

    for row in again.scores:
        row.__dict__.update(radius=None, attack_losses=None, attack_steps=None, attack_restarts=None)
    save_result(folder, again)
    anew = evaluate(folder, request=request)
    assert [r.attack_steps for r in anew.main_scores() if r.condition == "attack"] == [3, 3], "an older attack: anew"

    other = EvaluationRequest(attack="pgd", attack_params={"epsilons": [0.1], "steps": 3}, languages=("de",))
    replaced = evaluate(folder, request=other)
    labels = [r.attack for r in replaced.main_scores() if r.condition == "attack"]
    assert labels == ["pgd(epsilon=0.1,steps=3)"], "one curve a language: its balls build on each other"


def test_an_example_counts_as_in_the_worst_chain_and_radius_so_far(
    finished_run: Path, copied: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def canned(model: Any, encoded: Encoded, radii: Sequence[float], **how: Any) -> list[list[list[np.ndarray]]]:
        """Two chains, wrong in the even and in the odd sentences; in the larger ball both are right in all."""
        spans = zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
        gold = [encoded.labels[start:end] for start, end in spans]
        right = [np.eye(model.config.num_labels, dtype=np.float32)[tags[tags != IGNORED]] for tags in gold]
        wrong = [np.roll(item, 1, axis=1) for item in right]
        chains = [[(wrong if i % 2 == k else right)[i] for i in range(len(right))] for k in (0, 1)]
        return [chains, [right, right]]

    monkeypatch.setattr("xrobust.engine.attack.attack", canned)
    folder = copied(finished_run)
    request = EvaluationRequest(attack="pgd", attack_params={"epsilons": [0.1, 0.2]}, languages=("de",))
    rows = [row for row in evaluate(folder, request=request).main_scores() if row.condition == "attack"]
    assert [row.value for row in rows] == [0.0, 0.0]
    small, large = (load_predictions(folder, "de", row.attack) for row in rows)
    assert small == large


def test_labels_name_what_is_not_at_its_default() -> None:
    params = PgdParams(epsilons=(0.01,), losses=("margin",), restarts=2)
    assert params.labels() == ["pgd(epsilon=0.01,losses=margin,restarts=2)"]
    assert PgdParams(losses=("cross_entropy", "margin", "margin")) == PgdParams()


@pytest.mark.parametrize(
    ("attack", "params", "message"),
    [
        ("fgsm", {}, "unknown attack 'fgsm'"),
        ("pgd", {"epsilon": 0.1}, "unknown setting 'attack.epsilon': did you mean 'epsilons'"),
        ("pgd", {"epsilons": [0]}, "a radius must be greater than 0"),
        ("pgd", {"losses": []}, "name at least one loss, as in [margin]"),
        ("pgd", {"losses": ["hinge"]}, "'attack.losses"),
        ("pgd", {"restarts": 0}, "'attack.restarts'"),
        (None, {"steps": 3}, "setting 'attack.steps' without an attack: add --attack pgd"),
    ],
)
def test_what_is_wrong(
    trained_pair_run: Path, copied: Callable[[Path], Path], attack: str | None, params: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        evaluate(copied(trained_pair_run), request=EvaluationRequest(attack=attack, attack_params=params))
    assert message in str(caught.value)
