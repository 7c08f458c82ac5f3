"""Run ids do not change by accident: those of the preset `mini`, and those of specs of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec
from xrobust.config.resolved_spec import TrainSpec, group_id, run_id
from xrobust.plan import make_plan

HERE = Path(__file__).parent
FROZEN: dict[str, dict[str, str]] = json.loads((HERE / "run_ids.json").read_text())
SPECS: dict[str, dict[str, Any]] = json.loads((HERE / "specs.json").read_text())
"""Specs of version 2, as documents hold them."""


@pytest.mark.parametrize("name", FROZEN)
def test_the_run_id_is_the_frozen_one(name: str) -> None:
    task, method = name.split()
    plan = make_plan(RunSpec.from_preset("mini", task=task, method=method))
    train = plan.spec.train.model_dump(mode="json")
    assert plan.run_id == run_id(train) == FROZEN[name]["spec_version 3"]
    assert plan.group_id == group_id(train) != plan.run_id


@pytest.mark.parametrize("name", FROZEN)
def test_a_spec_of_an_earlier_version_keeps_its_run_id(name: str) -> None:
    """It is hashed without what it did not have, also after it was read."""
    second = SPECS[name]
    read = TrainSpec.model_validate(second).model_dump(mode="json")
    assert run_id(second) == run_id(read) == FROZEN[name]["spec_version 2"]
    assert read["training"]["dev_looks"] is None
    first = {**read, "spec_version": 1}
    assert run_id(first) == run_id({**first, "selection": None}) == FROZEN[name]["spec_version 1"]


def test_a_setting_that_an_earlier_version_lacks_is_no_part_of_it_by_stealth() -> None:
    second = SPECS["pos vanilla"]
    assert run_id(second) != run_id({**second, "training": {**second["training"], "dev_looks": 4}})


def test_the_selection_metric_is_part_of_the_run_id() -> None:
    train = make_plan(RunSpec.from_preset("mini", task="pos")).spec.train.model_dump(mode="json")
    other = {**train, "selection": {**train["selection"], "version": train["selection"]["version"] + 1}}
    assert run_id(other) != run_id(train)
