"""`--plugin FILE`: a plugin from a single file."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.config.request import request_values
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins

METHOD = """
from __future__ import annotations
from dataclasses import dataclass
from xrobust.contracts import Method, MethodInfo

@dataclass
class State:  # looks its module up while it is being defined
    count: int = 0

class Base(Method):
    \"\"\"No info: what the other derives from.\"\"\"

class Mine(Base):
    info = MethodInfo(name="mine", summary="from a file")
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(source: str, name: str = "my_method.py") -> Path:
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return path

    return write


def refused(*paths: Path) -> str:
    with pytest.raises(UserError) as error:
        Plugins(paths)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_method_from_a_file(file):
    path = file(METHOD)
    plugins = Plugins([path])
    record = plugins.record("methods", "mine")
    assert plugins.load("methods", "mine").info.summary == "from a file"
    assert record.distribution == str(path)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.target == f"{path}:13"
    assert [r.name for r in plugins.records("methods") if r.sha256] == ["mine"]
    assert not (path.parent / "__pycache__").exists()


def test_the_same_file_is_one_module_and_an_edited_one_is_another(file):
    path = file(METHOD)
    first = Plugins([path]).load("methods", "mine")
    assert Plugins([path, path]).load("methods", "mine") is first
    assert sys.modules[first.__module__].__file__ == str(path)
    file(METHOD.replace("from a file", "as edited!!"))
    assert Plugins([path]).load("methods", "mine").info.summary == "as edited!!"
    assert first.info.summary == "from a file"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\n\nimport no_such_module_anywhere\n", ":3: the plugin fails: ModuleNotFoundError: No module named"),
        ("x = 1\ndef f(:\n", ":2: the plugin fails: SyntaxError: invalid syntax"),
        ("def f():\n    return 1 / 0\nf()\n", ":2: the plugin fails: ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')", ":1: the plugin fails: SystemExit: no"),
        ("import json\njson.loads('{')", ":2: the plugin fails: JSONDecodeError: "),
        ("x = 1\n", ": defines no plugin"),
        ("from xrobust.contracts import Method\nfrom xrobust_methods.vanilla import Vanilla\n", ": defines no plugin"),
        (
            "from xrobust.contracts import Method\n\nclass Mine(Method):\n    pass\n",
            ":3: class Mine has no `info = MethodInfo(...)`",
        ),
        (METHOD.replace('"mine"', '"My Method"'), ":13: a name has lower-case letters, digits and underscores only"),
        (METHOD.replace('"mine"', '"vanilla"'), ":13: the method name 'vanilla' is taken by xrobust "),
        (METHOD + "class Other(Mine):\n    pass\n", ":15: Mine and Other are both called 'mine'"),
        (
            "from xrobust import hookimpl\n\n@hookimpl\ndef step_finishd(step):\n    pass\n",
            ": unknown hook 'step_finishd': did you mean 'step_finished'",
        ),
        (
            "from xrobust import hookimpl\n@hookimpl\ndef step_finished(stp):\n    pass\n",
            "Argument(s) {'stp'} are declared in the hookimpl but can not be found in the hookspec",
        ),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(file, source, message):
    path = file(source)
    before = set(sys.modules)
    said = refused(path)
    assert said.startswith(str(path))
    assert message in said
    if "the plugin fails" in said:
        assert not {name for name in set(sys.modules) - before if name.startswith("xrobust_plugin_")}


def test_a_file_that_is_not_there(tmp_path: Path):
    assert "No such file" in refused(tmp_path / "nothing.py")
    assert "is a folder, where a file belongs" in refused(tmp_path)


def test_two_files_cannot_share_a_name(file):
    one, two = file(METHOD, "one.py"), file(METHOD, "two.py")
    assert f"is taken by {one}" in refused(one, two)


def test_hooks_in_a_file_observe(file):
    path = file(
        "from xrobust import hookimpl\n"
        "seen = []\n"
        "@hookimpl\n"
        "def run_failed(error):\n"
        "    seen.append(error)\n"
        "class Watch:\n"
        "    @hookimpl\n"
        "    def run_failed(self, error, folder):\n"
        "        seen.append((self.__class__.__name__, folder))\n"
    )
    plugins = Plugins([path])
    observers = plugins.observers()
    observers.watch("0123", "here")
    observers.call("run_failed", error="full")
    (module,) = [m for m in sys.modules.values() if getattr(m, "__file__", None) == str(path)]
    assert module.seen == [("Watch", "here"), "full"]
    assert {r.name for r in plugins.check_all() if r.group == "observers" and r.sha256} == {"Watch", "my_method"}


NEIGHBOURS = (
    "import helper",
    "from helper import x",
    "import helper.part as y",
    "from . import helper",
    "from .helper import x",
)


@pytest.mark.parametrize("statement", NEIGHBOURS)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("on_the_path", [False, True])
def test_a_module_beside_the_file_is_refused(file, statement, inside, on_the_path, monkeypatch, tmp_path: Path):
    """Whatever the path is: `python -m xrobust` puts the current folder on it."""
    if on_the_path:
        monkeypatch.syspath_prepend(str(tmp_path))
    file("raise SystemExit('is run')", "helper.py")
    source = f"def f():\n    {statement}\n" if inside else f"\n{statement}\n"
    said = refused(file(METHOD.replace("\nfrom __future__ import annotations", "") + source))
    assert said.endswith(
        ": imports helper, which lies beside it: a plugin file stands alone; put what it needs of helper into it, or "
        "make a package of both"
    )
    assert ".py:1" in said


def test_what_is_installed_may_have_the_name_of_a_file_beside_it(file):
    file("raise SystemExit('is run')", "pydantic.py")
    file("raise SystemExit('is run')", "json.py")
    path = file(METHOD.replace("from dataclasses", "import json\nimport pydantic\nfrom dataclasses"))
    assert Plugins([path]).load("methods", "mine").info.name == "mine"


def test_a_preset_may_have_a_section_for_a_method_of_the_file(file, tmp_path: Path):
    """Though the name looks like an installed one. Without the file it is taken for a misspelt one."""
    path = file(METHOD.replace('"mine"', '"vanila"'))
    preset = tmp_path / "own.yaml"
    preset.write_text("methods: {vanila: {seed: 5}}")
    values = {"task": "pos", "method": "vanila"}
    assert request_values(None, [], {**values, "plugins": [path]}, str(preset))["seed"] == 5
    config = tmp_path / "config.yaml"
    config.write_text(f"plugins: [{path.name}]")
    assert request_values(config, [], values, str(preset))["seed"] == 5
    with pytest.raises(UserError, match="unknown name 'vanila' in 'methods': did you mean 'vanilla'"):
        request_values(None, [], values, str(preset))
    preset.write_text("methods: {vanilo: {seed: 5}}")
    with pytest.raises(UserError, match="unknown name 'vanilo' in 'methods': did you mean 'vanila' or 'vanilla'"):
        request_values(None, [], {**values, "plugins": [path]}, str(preset))
