"""A call into a plugin that raises: the error names the plugin, what was called, and where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xrobust.contracts import Method, MethodInfo, NotCovered
from xrobust.contracts.calling import calling, working_folder_kept
from xrobust.contracts.example import copied
from xrobust.errors import PluginError, RunError, UserError
from xrobust.registry.plugins import Plugins

FILE = """
from xrobust.contracts import Perturbation, PerturbationInfo

class Odd(Perturbation):
    info = PerturbationInfo(name="odd", summary="fails", kinds=("sequence_classification",))

    def apply(self, example, language, rng):
        return {**example, "text": example["title"]}
"""


class Own(Method):
    info = MethodInfo(name="own", summary="a method of this test")


def test_the_plugin_the_step_the_place_and_its_line_are_named(tmp_path):
    path = tmp_path / "my_plugin.py"
    path.write_text(FILE, encoding="utf-8")
    perturbation = Plugins([path]).load("perturbations", "odd")(None)
    with pytest.raises(PluginError) as error, calling(perturbation, "apply", "example en:3 of en"):
        perturbation.apply({"text": "a"}, "en", None)
    assert str(error.value) == (
        "perturbation 'odd' (my_plugin.py): its apply failed at example en:3 of en: KeyError: 'title' (my_plugin.py:8)"
    )


@pytest.mark.parametrize("raised", [ValueError("two\nlines"), SystemExit(3), AssertionError(), RecursionError()])
def test_whatever_a_plugin_raises_is_one_line(raised):
    with pytest.raises(PluginError) as error, calling(Own(None), "objective", "step 2"):
        raise raised
    assert str(error.value).startswith(f"method 'own' ({__name__}): its objective failed at step 2: ")
    assert "\n" not in str(error.value) and type(raised).__name__ in str(error.value)


@pytest.mark.parametrize("raised", [UserError("u"), RunError("r"), NotCovered("n"), KeyboardInterrupt()])
def test_what_is_raised_on_purpose_passes(raised):
    with pytest.raises(type(raised)) as error, calling(Own(None), "files"):
        raise raised
    assert error.value is raised


def test_the_inner_plugin_is_blamed():
    with pytest.raises(PluginError) as error, calling(Own(None), "augment"), calling(Plugins, "load", "train of en"):
        raise ValueError("inside")
    assert "Plugins" in str(error.value) and "own" not in str(error.value)


def test_an_exception_that_is_to_pass():
    with pytest.raises(RuntimeError), calling(Own(None), "objective", unless=lambda error: "memory" in str(error)):
        raise RuntimeError("out of memory")


def test_a_copy_shares_no_list():
    example = {"id": "1", "tokens": ["a", "b"], "choices": [["a"], ["b"]], "more": {"tags": ["O"]}}
    before = {"id": "1", "tokens": ["a", "b"], "choices": [["a"], ["b"]], "more": {"tags": ["O"]}}
    other = copied(example)
    assert other == example
    other["tokens"].append("c")
    other["choices"][0].append("c")
    other["more"]["tags"].append("c")
    assert example == before


def test_the_working_folder_is_afterwards_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError), calling(Own(None), "objective"):
        os.chdir("/")
        raise ValueError
    assert Path.cwd() == tmp_path
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with calling(Own(None), "objective"), working_folder_kept():
        pass
