"""Looks at the source dev set: when they come, and which setting decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust import RunSpec, run
from xrobust.config.presets import preset_values
from xrobust.config.run_spec import check_values
from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts import Recipe
from xrobust.errors import UserError
from xrobust.training.job import look_steps

RECIPE = Recipe(epochs=2, learning_rate=1e-3, batch_size=8)
OWN = Recipe(epochs=2, learning_rate=1e-3, select_every=100)


def steps(examples: int, **settings: Any) -> list[int]:
    return sorted(look_steps(examples, TrainingSettings.resolve(RECIPE, settings)))


def test_looks_are_spread_evenly_and_the_last_is_at_the_end() -> None:
    assert steps(400) == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert steps(400, max_steps=25) == [3, 5, 8, 10, 13, 15, 18, 20, 23, 25], "2.5 is rounded up"
    assert steps(400, dev_looks=3) == [33, 67, 100]
    assert steps(400, dev_looks=1) == [100]
    assert steps(24) == [1, 2, 3, 4, 5, 6], "fewer steps than looks: after each"


@given(total=st.integers(1, 10_000), looks=st.integers(1, 10_000))
def test_as_many_looks_as_asked_for_whatever_the_length(total: int, looks: int) -> None:
    found = steps(8, max_steps=total, dev_looks=looks)
    assert len(found) == min(total, looks) and found[0] >= 1 and found[-1] == total
    assert all(abs(step - (k + 1) * total / len(found)) <= 0.5 for k, step in enumerate(found))


def test_looks_at_fixed_steps_or_once_an_epoch() -> None:
    assert steps(400, select_every=30) == [30, 60, 90, 100]
    assert steps(400, dev_looks=None) == steps(400, select_every=None) == [50, 100]
    assert steps(400, dev_looks=None, max_steps=120) == [50, 100, 120]


@pytest.mark.parametrize(
    ("recipe", "given", "resolved"),
    [
        (RECIPE, {}, (10, None)),
        (RECIPE, {"dev_looks": 4}, (4, None)),
        (RECIPE, {"select_every": 7}, (None, 7)),
        (RECIPE, {"dev_looks": None}, (None, None)),
        (OWN, {}, (None, 100)),
        (OWN, {"dev_looks": 4}, (4, None)),
        (OWN, {"dev_looks": 4, "select_every": None}, (4, None)),
        (OWN, {"select_every": None}, (None, None)),
    ],
)
def test_one_of_two_settings_decides(
    recipe: Recipe, given: dict[str, Any], resolved: tuple[int | None, int | None]
) -> None:
    settings = TrainingSettings.resolve(recipe, given)
    assert (settings.dev_looks, settings.select_every) == resolved


def test_both_at_once_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"'training.dev_looks' \(4\) and 'training.select_every' \(7\) both") as error:
        TrainingSettings.resolve(RECIPE, {"dev_looks": 4, "select_every": 7})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("preset", "given"), [("paper", {"dev_looks": 4}), ("mini", {"select_every": 7}), ("mini", {"dev_looks": None})]
)
def test_what_is_asked_for_replaces_what_a_preset_says(preset: str, given: dict[str, Any]) -> None:
    spec = RunSpec.from_preset(preset, task="xnli", training=given)
    assert spec.training == spec.training | given
    assert set(spec.training) & {"dev_looks", "select_every"} == set(given)


def test_the_looks_of_presets() -> None:
    looks = {
        (preset, task): {
            key: value
            for key, value in preset_values(preset, check_values, task)["training"].items()
            if key in ("dev_looks", "select_every")
        }
        for preset in ("mini", "paper")
        for task in ("wikiann", "pawsx")
    }
    assert looks == {
        ("mini", "wikiann"): {"dev_looks": 3},
        ("mini", "pawsx"): {"dev_looks": 1},
        ("paper", "wikiann"): {},
        ("paper", "pawsx"): {"select_every": 500},
    }


def test_a_method_with_more_data_looks_as_often(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    """And a checkpoint is written at each look but the last."""
    found = {}
    for method in ("vanilla", "rs_aug"):
        spec = RunSpec(
            task="pos",
            method=method,
            model=str(tiny_model),
            data_dir=tiny_data,
            output=tmp_path,
            languages=("de",),
            training={"epochs": 1, "batch_size": 8, "dev_looks": 4},
            method_params={} if method == "vanilla" else {"copies": 2, "neighbors": _neighbors(tmp_path)},
            keep_checkpoints="all",
        )
        training = run(spec).training
        assert training is not None
        found[method] = [point.step for point in training.dev]
        saved = [int(path.name.split("-")[1]) for path in sorted(tmp_path.glob(f"pos/{method}/*/checkpoints/step-*"))]
        assert saved == found[method][:-1]
    assert found == {"vanilla": [2, 3, 5, 6], "rs_aug": [3, 6, 9, 12]}


def _neighbors(folder: Path) -> str:
    path = folder / "neighbors.json"
    path.write_text(json.dumps({"the": ["a"]}))
    return str(path)
