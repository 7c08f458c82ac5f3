"""Specs: validation in one line, and an identity that is a pure function of what determines the weights."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xrobust.config.resolved_spec import group_id, run_id
from xrobust.config.run_spec import RunSpec
from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts import Recipe
from xrobust.errors import UserError
from xrobust.storage.hashing import canonical_json

RECIPE = Recipe(epochs=2, learning_rate=2e-5, select_every=100)


def test_settings_are_the_recipe_with_overrides_over_it() -> None:
    settings = TrainingSettings.resolve(RECIPE, {"learning_rate": 1e-3})
    assert (settings.epochs, settings.learning_rate, settings.select_every) == (2, 1e-3, 100)
    assert (settings.batch_size, settings.max_length) == (32, 128)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rat": 1}, "unknown setting 'training.learning_rat': did you mean 'learning_rate'"),
        ({"epochs": -1}, "'training.epochs' is -1"),
        (
            {"learning_rate": 1e300},
            r"'training.learning_rate' is 1e\+300: nothing can be learnt with it, give between 1e-09 and 1",
        ),
        (
            {"learning_rate": 1e-300},
            "'training.learning_rate' is 1e-300: nothing can be learnt with it, give between 1e-09 and 1",
        ),
        (
            {"weight_decay": 1e9},
            "'training.weight_decay' is 1000000000.0: nothing can be learnt with it, give between 0 and 1",
        ),
        (
            {"adam_epsilon": 1e9},
            "'training.adam_epsilon' is 1000000000.0: nothing can be learnt with it, give between 1e-16 and 1",
        ),
        (
            {"max_grad_norm": 1e-300},
            "'training.max_grad_norm' is 1e-300: nothing can be learnt with it, give 1e-06 or more",
        ),
        ({"epochs": "many"}, "'training.epochs' is 'many'"),
    ],
)
def test_bad_training_settings(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        TrainingSettings.resolve(RECIPE, overrides)
    assert "\n" not in str(error.value)


def test_bad_run_settings() -> None:
    with pytest.raises(UserError, match="unknown setting 'langauges': did you mean 'languages'"):
        RunSpec.parse({"task": "pos", "langauges": ["de"]})
    with pytest.raises(UserError, match="'task' is missing"):
        RunSpec.parse({})
    with pytest.raises(UserError, match="'precision' is 'fp8'"):
        RunSpec.parse({"task": "pos", "precision": "fp8"})
    with pytest.raises(UserError, match=r"'languages.0' is False: .* \(YAML takes no, off, .*: put it in quotes\)$"):
        RunSpec.parse({"task": "pos", "languages": yaml.safe_load("[no, en]")})
    with pytest.raises(UserError, match=r"'languages.0' is 7: input should be a valid string$"):
        RunSpec.parse({"task": "pos", "languages": [7]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), json_values, max_size=5))
def test_run_id_does_not_depend_on_the_order_of_keys(spec: dict[str, object]) -> None:
    backwards = dict(reversed(list(spec.items())))
    assert run_id(spec) == run_id(backwards)
    assert len(run_id(spec)) == 16


def test_group_id_leaves_out_the_seed_alone() -> None:
    a, b, c = {"task": "pos", "seed": 1}, {"task": "pos", "seed": 2}, {"task": "xnli", "seed": 1}
    assert run_id(a) != run_id(b)
    assert group_id(a) == group_id(b) != group_id(c)


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError):
        canonical_json({"x": float("nan")})
