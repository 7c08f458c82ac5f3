"""Methods that give what cannot be trained: one line with the method's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust import RunError, RunSpec, UserError, load_result, run

METHOD = """
from xrobust.contracts import Method, MethodInfo


class Lazy:
    def __init__(self, train, change):
        self.train, self.change = train, change

    def __len__(self):
        return len(self.train)

    def __getitem__(self, index):
        example = dict(self.train[index % len(self.train)])
        if index == 5:
            self.change(example)
        return example


class Faulty(Method):
    info = MethodInfo(name="faulty", summary="gives what cannot be trained")

{body}
"""
BODIES = {
    "no example": "    def augment(self, train, ctx):\n        return []",
    "another tag": "    def augment(self, train, ctx):\n"
    "        return Lazy(train, lambda e: e.update(tags=['BAD'] * len(e['tokens'])))",
    "no tags": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e.pop('tags'))",
    "frozen": "    def adapt(self, model, ctx):\n        return model.requires_grad_(False)",
    "no model": "    def adapt(self, model, ctx):\n        model.train()\n        return None",
    "good": "    def augment(self, train, ctx):\n        return Lazy(train, lambda e: e)",
}


@pytest.fixture
def spec(tmp_path: Path, tiny_model: Path, tiny_data: Path, request: pytest.FixtureRequest) -> RunSpec:
    plugin = tmp_path / "faulty.py"
    plugin.write_text(METHOD.format(body=BODIES[request.param]))
    return RunSpec(
        task="pos",
        method="faulty",
        plugins=(plugin,),
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path / "runs",
        languages=("de",),
        limit=12,
        training={"epochs": 1},
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no example", "method faulty: its augment left no example to train on"),
        ("frozen", "method faulty: its adapt left no parameter to be trained"),
        ("no model", "method faulty: its adapt returned NoneType, not the model"),
    ],
    indirect=["spec"],
)
def test_what_is_found_before_training(spec: RunSpec, message: str) -> None:
    with pytest.raises(UserError) as caught:
        run(spec)
    assert str(caught.value) == message
    assert not spec.output.exists(), "nothing is written"


@pytest.mark.parametrize(
    ("spec", "message"),
    [("another tag", r"\(id .*\): tag 'BAD' is none of ADJ, "), ("no tags", r"\(id .*\): no 'tags'$")],
    indirect=["spec"],
)
def test_what_is_found_when_examples_are_encoded(spec: RunSpec, message: str) -> None:
    with pytest.raises(RunError, match=r"^method faulty: example 5 of its augment " + message) as caught:
        run(spec)
    assert "\n" not in str(caught.value)
    (document,) = spec.output.rglob("result.json")
    assert load_result(document).status == "failed"


@pytest.mark.parametrize("spec", ["good"], indirect=True)
def test_examples_need_a_length_and_an_index_alone(spec: RunSpec) -> None:
    """As `Method.augment` says: the end of the examples is their length, not an IndexError."""
    result = run(spec)
    assert result.training is not None and result.training.budget.examples == 12
