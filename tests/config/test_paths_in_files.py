"""Paths in a settings file are relative to the file, wherever they stand in it and wherever it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from xrobust.config.composition import compose
from xrobust.config.parameters import split_parameters
from xrobust.config.request import request_values
from xrobust.config.run_spec import RunSpec
from xrobust.contracts import Method, MethodInfo
from xrobust.evaluation.requested_perturbations import requested_perturbations
from xrobust.registry.plugins import Plugins


class Reads(Method):
    info = MethodInfo("reads", "reads files")

    class Params(Method.Params):
        lists: list[Path] = Field(default=[], description="files")
        named: dict[str, Path] = Field(default={}, description="files by name")
        word: str = Field(default="", description="no path")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a settings file, which is not the working folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder = tmp_path / "settings"
    folder.mkdir()
    return folder


def write(file: Path, values: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(values))
    return file


@pytest.mark.parametrize(
    "method",
    [
        {"method": {"name": "rs_aug", "neighbors": "lists/n.json"}},
        {"method": "rs_aug", "method_params": {"neighbors": "lists/n.json"}},
        {"method": "rs_aug+lora", "method_params": {"rs_aug": {"neighbors": "lists/n.json"}, "rank": 4}},
    ],
)
@pytest.mark.parametrize("preset", [False, True])
def test_a_methods_file_lies_beside_the_settings(written: Path, method: dict[str, Any], preset: bool) -> None:
    file = write(written / "run.yaml", {"task": "pos", **method} if not preset else method)
    given = request_values(None if preset else file, [], {"task": "pos"}, str(file) if preset else None)
    request = RunSpec.parse(given)
    plugins = Plugins()
    part = compose(request.method, request.method_params, plugins.load("tasks", "pos")(), plugins)[0]
    assert part.params.neighbors == written / "lists/n.json"


def test_one_on_the_command_line_is_relative_to_the_working_folder(written: Path) -> None:
    file = write(written / "run.yaml", {"task": "pos", "method": {"name": "rs_aug", "neighbors": "lists/n.json"}})
    request = RunSpec.parse(request_values(file, ["method.neighbors=here.json"], {}))
    plugins = Plugins()
    (part,) = compose(request.method, request.method_params, plugins.load("tasks", "pos")(), plugins)
    assert part.params.neighbors == Path("here.json")


def test_a_perturbations_file_lies_beside_the_settings(written: Path) -> None:
    perturb = {"name_swap": {"gazetteer": "../names/{language}.txt"}, "dictionary": "/data/en.tsv", "seed": 3}
    file = write(written / "p.yaml", {"perturb": ["name_swap", "code_switch"], "perturb_params": perturb})
    preset = write(written / "preset.yaml", {"tasks": {"wikiann": {"perturb_params": {"into": "de"}}}})
    request = RunSpec.parse(request_values(file, [], {"task": "wikiann"}, str(preset)))
    plugins = Plugins()
    task = plugins.load("tasks", "wikiann")()
    found = {c.spec.name: c for c in requested_perturbations(request.perturb, request.perturb_params, task, plugins)}
    assert found["name_swap"].params.gazetteer == written / "../names/{language}.txt"
    assert found["code_switch"].params.dictionary == Path("/data/en.tsv")
    assert found["code_switch"].params.into == "de" and type(found["code_switch"].params.into) is str


def test_lists_and_tables_of_paths_are_too_and_words_are_not(written: Path) -> None:
    given = {"lists": ["a.txt", "~/b.txt"], "named": {"x": "c.txt"}, "word": "lists/a.txt"}
    file = write(written / "run.yaml", {"task": "pos", "method": "reads", "method_params": given})
    params = RunSpec.parse(request_values(file, [], {})).method_params
    found = Reads.Params(**split_parameters(params, {"reads": Reads}, "method")["reads"])
    assert found.lists == [written / "a.txt", Path("~/b.txt").expanduser()]
    assert found.named == {"x": written / "c.txt"} and found.word == "lists/a.txt"


def test_the_settings_of_the_run_itself_are_as_well(written: Path) -> None:
    (written / "encoder").mkdir()
    values = {"task": "pos", "model": "encoder", "data_dir": "data", "output": "~/runs", "plugins": ["p.py", "~/q.py"]}
    request = RunSpec.parse(request_values(write(written / "run.yaml", values), [], {}))
    assert (request.model, request.data_dir) == (str(written / "encoder"), written / "data")
    assert request.output == Path("~/runs").expanduser()
    assert request.plugins == (written / "p.py", Path("~/q.py").expanduser())
