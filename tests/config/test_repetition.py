"""What is given twice: refused where the two may differ or make a false claim, harmless where one is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec
from xrobust.config.presets import preset_values
from xrobust.config.request import request_values
from xrobust.config.run_spec import check_values
from xrobust.config.values import parse_assignment, seeds
from xrobust.data.sources import open_source
from xrobust.errors import UserError
from xrobust.plan import make_plan

TWICE = {
    "on top": ("task: pos\nlimit: 3\ntask: xnli\n", "line 3: 'task' stands in line 1 too: keep one"),
    "with one value": ("limit: 3\ntask: pos\nlimit: 3\n", "line 3: 'limit' stands in line 1 too: keep one"),
    "in quotes once": ("task: pos\n'task': xnli\n", "line 2: 'task' stands in line 1 too: keep one"),
    "in a section": (
        "task: pos\ntraining:\n  epochs: 1\n  batch_size: 4\n  epochs: 2\n",
        "line 5: 'epochs' stands in line 3 too: keep one",
    ),
    "a section": (
        "training: {epochs: 1}\ntask: pos\ntraining: {batch_size: 4}\n",
        "line 3: 'training' stands in line 1",
    ),
    "in one line": (
        "method_params: {rs_aug: {copies: 1, copies: 2}}\n",
        "line 1: 'copies' stands in line 1 too: keep one",
    ),
    "in a list": ("plugins:\n- {a: 1,\n   a: 2}\n", "line 3: 'a' stands in line 2 too: keep one"),
    "numbers": ("1: a\n2: b\n1: c\n", "line 3: '1' stands in line 1 too: keep one"),
}


@pytest.mark.parametrize(("text", "message"), TWICE.values(), ids=list(TWICE))
def test_a_key_that_stands_twice_in_a_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    for read in (lambda: request_values(file, [], {}), lambda: preset_values(str(file), check_values)):
        with pytest.raises(UserError) as error:
            read()
        assert str(error.value).startswith(f"{file}, {message}")
        assert "\n" not in str(error.value)


def test_facts_about_data_that_stand_twice_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "about.yaml"
    file.write_text("id: a\nsummary: b\nid: c\n")
    with pytest.raises(UserError, match=r"about\.yaml, line 3: 'id' stands in line 1 too: keep one"):
        _ = open_source(tmp_path, True).sample


def test_one_name_in_two_sections_is_no_repetition(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "task: pos\nmethod: rs_aug+lora\n"
        "method_params: {rs_aug: &shared {dropout: 0.1, rank: 2}, lora: {<<: *shared, rank: 4}}\n"
    )
    params = request_values(file, [], {})["method_params"]
    assert params == {"rs_aug": {"dropout": 0.1, "rank": 2}, "lora": {"dropout": 0.1, "rank": 4}}


def test_a_parameter_in_both_spellings_of_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("task: pos\nmethod: {name: rs_aug, copies: 3}\nmethod_params: {copies: 4}\n")
    with pytest.raises(UserError, match=r"run\.yaml: 'copies' stands in 'method' and in 'method_params': keep one$"):
        request_values(file, [], {})


def test_a_key_that_stands_twice_in_an_assignment_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^--set 'training=\{epochs: 1, epochs: 2\}': 'epochs' stands there twice: keep"
    ):
        parse_assignment("training={epochs: 1, epochs: 2}")
    assert parse_assignment("attack.epsilons=[0.1, 0.1]") == ("attack.epsilons", [0.1, 0.1])


@pytest.mark.parametrize(("text", "twice"), [("1,1", "1"), ("0,0", "0"), ("3,1,2,01", "1")])
def test_a_seed_given_twice_is_refused(text: str, twice: str) -> None:
    with pytest.raises(UserError) as error:
        seeds(text)
    assert str(error.value) == f"--seeds '{text}': {twice} is there twice, which is one run: name each seed once"


def test_of_two_assignments_to_one_setting_the_last_counts() -> None:
    """So a script can be given one more to change what it sets."""
    assert request_values(None, ["limit=3", "training.epochs=1", "training.epochs=2", "limit=4"], {}) == {
        "limit": 4,
        "training": {"epochs": 2},
    }


REPEATED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "languages": ({"languages": ("de",)}, {"languages": ("de", "de")}),
    "perturbations": ({"perturb": ("typos",)}, {"perturb": ("typos", "typos")}),
    "pairs": ({"pairs": ("en:de",)}, {"pairs": ("en:de", "en:de,en:de")}),
    "radii": (
        {"attack": "pgd", "attack_params": {"epsilons": [0.1]}},
        {"attack": "pgd", "attack_params": {"epsilons": [0.1, 0.1]}},
    ),
}


@pytest.mark.parametrize(("once", "twice"), REPEATED.values(), ids=list(REPEATED))
def test_what_is_to_be_scored_twice_is_scored_once(
    once: dict[str, Any], twice: dict[str, Any], tiny_model: Path, tiny_data: Path
) -> None:
    def planned(asked: dict[str, Any]) -> Any:
        return make_plan(RunSpec(task="pawsx", model=str(tiny_model), data_dir=tiny_data, **asked)).spec

    assert planned(twice) == planned(once)
