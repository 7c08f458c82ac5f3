"""Sets among parameters: one identity, whatever order the process iterates them in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xrobust.contracts import Parameters
from xrobust.contracts.parameters import plain_values

PLUGIN = """
from xrobust.contracts import Method, MethodInfo, Perturbation, PerturbationInfo

WORDS = frozenset("red green blue white black grey pink brown".split())

class Own(Method):
    info = MethodInfo("own", "a method")

    class Params(Method.Params):
        words: frozenset[str] = WORDS
        nested: frozenset[frozenset[str]] = frozenset({WORDS, frozenset("abcdef")})
        inside: dict[str, list[set[str]]] = {"a": [set(WORDS), set()]}

class Blur(Perturbation):
    info = PerturbationInfo("blur", "a perturbation", ("token_classification",))

    class Params(Perturbation.Params):
        words: set[str] = set(WORDS)

    def apply(self, example, language, rng):
        return None
"""
PLAN = """
import sys
from xrobust import RunSpec
from xrobust.plan import make_plan
plugin, model, data = sys.argv[1:]
more = {"perturb": ("blur",), "perturb_params": {"words": ["x", "y", "z", "a", "b"]}}
plan = make_plan(RunSpec(task="pos", method="own", plugins=(plugin,), model=model, data_dir=data, limit=4, **more))
print(plan.run_id, plan.spec.train.method[0].params, plan.spec.evaluation.perturbations)
"""


def test_the_run_id_is_one_in_every_process(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(PLUGIN)

    def planned(seed: int) -> str:
        command = [sys.executable, "-c", PLAN, str(plugin), str(tiny_model), str(tiny_data)]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert planned(1) == planned(2)


class Inner(Parameters):
    """Parameters inside parameters."""

    words: set[str] = set()
    rate: float = 1


class Outer(Parameters):
    """All places for a set."""

    plain: set[str] = set()
    numbers: frozenset[int] = frozenset()
    paths: set[Path] = set()
    inner: Inner = Inner()
    pairs: tuple[set[str], ...] = ()
    by_name: dict[str, frozenset[tuple[str, int]]] = {}
    number: float = 16
    text: Path = Path("a/b")


def test_sets_are_sorted_and_all_else_is_as_pydantic_has_it() -> None:
    params = Outer(
        plain={"b", "a", "é"},
        numbers={10, 9, 1},
        paths={Path("b"), Path("a")},
        inner={"words": ["c", "b"]},
        pairs=[["d", "c"], []],
        by_name={"x": {("b", 1), ("a", 2)}},
    )
    assert plain_values(params) == {
        "plain": ["a", "b", "é"],
        "numbers": [1, 10, 9],
        "paths": ["a", "b"],
        "inner": {"words": ["b", "c"], "rate": 1},
        "pairs": [["c", "d"], []],
        "by_name": {"x": [["a", 2], ["b", 1]]},
        "number": 16,
        "text": "a/b",
    }
    assert Outer(**json.loads(json.dumps(plain_values(params)))) == params


@pytest.mark.parametrize("number", [16, 16.0, 1e-7])
def test_values_without_a_set_keep_their_json(number: float) -> None:
    """The ids of the runs that there are depend on it."""
    params = Outer.model_construct(number=number, inner=Inner.model_construct(rate=number))
    stored, now = params.model_dump(mode="json"), plain_values(params)
    assert {name: json.dumps(now[name]) for name in now} == {name: json.dumps(stored[name]) for name in stored}
