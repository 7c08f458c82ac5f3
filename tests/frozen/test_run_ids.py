"""Run ids do not change by accident: those of the preset `mini`, of both versions of the spec, as they were frozen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xrobust import RunSpec
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.plan import make_plan

FROZEN = json.loads((Path(__file__).parent / "run_ids.json").read_text())


@pytest.mark.parametrize("name", FROZEN)
def test_the_run_id_is_the_frozen_one(name: str) -> None:
    task, method = name.split()
    plan = make_plan(RunSpec.from_preset("mini", task=task, method=method))
    train = plan.spec.train.model_dump(mode="json")
    assert plan.run_id == run_id(train) == FROZEN[name]["spec_version 2"]
    assert plan.group_id == group_id(train) != plan.run_id
    # A document of the first version was hashed without what its spec did not have.
    first = {**train, "spec_version": 1}
    assert run_id(first) == run_id({**first, "selection": None}) == FROZEN[name]["spec_version 1"]


def test_the_selection_metric_is_part_of_the_run_id() -> None:
    train = make_plan(RunSpec.from_preset("mini", task="pos")).spec.train.model_dump(mode="json")
    other = {**train, "selection": {**train["selection"], "version": train["selection"]["version"] + 1}}
    assert run_id(other) != run_id(train)
