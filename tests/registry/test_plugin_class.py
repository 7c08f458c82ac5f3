"""A plugin class that lacks what its contract asks for is found when it is listed and when it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust.errors import UserError
from xrobust.metrics.by_name import _METRICS, metric
from xrobust.registry.plugin_class import METRICS
from xrobust.registry.plugins import Plugins

TASK = """
from abc import ABC, abstractmethod
from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification
from xrobust.metrics import Accuracy

class Own(Task):
    info = TaskInfo("own", "a task", ("en",), "CC0", "-")
    kind = SequenceClassification(("a", "b"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1.0, select_every=None)
    columns = ("text", "label")
"""
METHOD = """
from pydantic import Field
from xrobust.contracts import Method, MethodInfo

class Own(Method):
    info = MethodInfo("own", "a method")

    class Params(Method.Params):
        rate: float = Field(default=0.5, gt=0, lt=1)
        names: set[str] = frozenset()
"""
PERTURBATION = """
from pydantic import Field
from xrobust.contracts import Perturbation, PerturbationInfo

class Own(Perturbation):
    info = PerturbationInfo("own", "a perturbation", ("sequence_classification",))

    class Params(Perturbation.Params):
        rate: float = Field(default=0.5, gt=0, lt=1)

    def apply(self, example, language, rng):
        return None
"""
SOURCES = {"tasks": TASK, "methods": METHOD, "perturbations": PERTURBATION}

DEFECTS = {
    "kind": ("tasks", '    kind = SequenceClassification(("a", "b"))', "", "it has no `kind`"),
    "kind class": ("tasks", '(("a", "b"))', "", "its kind is a class: make an object of it, kind = SequenceClass"),
    "kind text": ("tasks", 'SequenceClassification(("a", "b"))', "'pairs'", "its kind is 'pairs': an object of a sub"),
    "metrics": ("tasks", '    metrics = ("accuracy",)', "", "it has no `metrics`"),
    "one text": ("tasks", '("accuracy",)', '("accuracy")', "its metrics are 'accuracy': a tuple is expected"),
    "unknown metric": ("tasks", '"accuracy",', '"acuracy",', "unknown metric 'acuracy': did you mean 'accuracy'?"),
    "metric class": ("tasks", '"accuracy",', "Accuracy,", "its metric Accuracy is a class: make an object of it"),
    "recipe": ("tasks", "    recipe =", "    cooking =", "it has no `recipe`"),
    "columns": ("tasks", "    columns =", "    pillars =", "it has no `columns`"),
    "languages": ("tasks", '("en",)', '"en"', "its info.languages is 'en': a tuple of language codes is expected"),
    "labels twice": ("tasks", '("a", "b"))', '("a", "a"))', "its kind SequenceClassification has the labels ('a', 'a'"),
    "labels of numbers": (
        "tasks",
        '("a", "b"))',
        "(1, 2))",
        "its kind SequenceClassification has the labels (1, 2): a ",
    ),
    "kind without a name": (
        "tasks",
        "class Own",
        "class Kind_(SequenceClassification):\n    name = ''\nSequenceClassification = Kind_\nclass Own",
        "its kind Kind_ has the name '': a text that is not empty",
    ),
    "epochs": ("tasks", "epochs=1", "epochs='1'", "its recipe has epochs='1': a whole number above 0 is expected"),
    "learning rate": ("tasks", "=1.0", "='1'", "its recipe has learning_rate='1': a number above 0 is expected"),
    "batch size": (
        "tasks",
        "select_every=None",
        "select_every=None, batch_size=0",
        "its recipe has batch_size=0: a wh",
    ),
    "a metric twice": ("tasks", '("accuracy",)', '("accuracy", Accuracy())', "two of its metrics have the name 'accur"),
    "stages": (
        "methods",
        "    class Params",
        "    @classmethod\n    def stages(cls):\n        return ('train',)\n    class Params",
        "its stages are ('train',): some of augment, objective, adapt are expected",
    ),
    "abstract": (
        "tasks",
        "Own(Task):",
        "Own(Task, ABC):\n    @abstractmethod\n    def read(self): ...",
        "it does not de",
    ),
    "default": ("methods", "=0.5", "=2.0", "the default of its parameter 'rate' is 2.0: input should be less than 1"),
    "not a number": ("methods", "=0.5", "=float('nan')", "the default of its parameter 'rate' is nan: input should be"),
    "wrong type": (
        "methods",
        "0.5",
        "'much'",
        "the default of its parameter 'rate' is 'much': input should be a valid",
    ),
    "params": ("methods", "Params(Method.Params)", "Params", "its Params is not a subclass of xrobust.contracts.Param"),
    "apply": ("perturbations", "def apply", "def applied", "it does not define apply"),
    "one kind": ("perturbations", '("sequence_classification",)', '"pairs"', "its info.kinds is 'pairs': a tuple of n"),
    "version": (
        "perturbations",
        '",))',
        '",), version="two")',
        "its info.version is 'two': a whole number is expected",
    ),
    "no version": (
        "perturbations",
        '",))',
        '",), version=None)',
        "its info.version is None: a whole number is expected",
    ),
    "one need": (
        "perturbations",
        "    def",
        "    needs = 'encoder'\n    def",
        "its needs are 'encoder': a set of 'source_t",
    ),
    "need": (
        "perturbations",
        "    def",
        "    needs = {'all'}\n    def",
        "its needs are {'all'}: a set of 'source_train'",
    ),
    "metric version": (
        "tasks",
        '"accuracy",',
        "type('A', (Accuracy,), {'version': 'two'})(),",
        "its metric accuracy has the version 'two': a whole number is expected",
    ),
    "its default": ("perturbations", "=0.5", "=0", "the default of its parameter 'rate' is 0: input should be greater"),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_what_is_missing_is_told_when_listed_and_when_asked_for(case, distribution, tmp_path: Path):
    group, good, bad, message = DEFECTS[case]
    source = SOURCES[group].replace(good, bad)
    assert source != SOURCES[group]
    distribution("own-dist", {f"xrobust.{group}": {"own": "own_module:Own"}}, own_module=source)
    (record,) = [r for r in Plugins().check_all() if r.distribution == "own-dist"]
    assert (record.problem or "").startswith(message)
    assert record.usable_as is None
    with pytest.raises(UserError) as error:
        Plugins().load(group, "own-dist/own")
    assert message in str(error.value)
    assert "own_module:Own of own-dist 1.2" in str(error.value)

    file = tmp_path / "file.py"
    file.write_text(source.replace('"own"', '"of_a_file"'))
    with pytest.raises(UserError) as error:
        Plugins([file])
    assert str(error.value).startswith(f"{file}:")
    assert message in str(error.value)


@pytest.mark.parametrize("group", SOURCES)
def test_what_has_all_works(group, distribution):
    distribution("own-dist", {f"xrobust.{group}": {"own": "own_module:Own"}}, own_module=SOURCES[group])
    (record,) = [r for r in Plugins().check_all() if r.distribution == "own-dist"]
    assert record.problem is None


def test_columns_are_of_tsv_files_alone(tmp_path: Path):
    file = tmp_path / "file.py"
    file.write_text(TASK.replace("    columns = ", "    def load(self, split, language, source):\n        return "))
    assert Plugins([file]).task("own").info.name == "own"


def test_a_task_may_compute_what_it_declares(tmp_path: Path):
    """Its class cannot tell then, and its object can."""
    file = tmp_path / "file.py"
    computed = "    @property\n    def kind(self):\n        return SequenceClassification"
    file.write_text(TASK.replace("    kind = SequenceClassification", computed))
    assert Plugins([file]).task("own").kind.labels == ("a", "b")
    file.write_text(file.read_text().replace('(("a", "b"))', ""))
    with pytest.raises(Exception, match=r"^task 'own' \(file.py\): .*: its kind is a class"):
        Plugins([file]).task("own")


def test_a_plugin_of_a_package_that_is_not_installed():
    for group in ("tasks", "methods", "perturbations"):
        with pytest.raises(UserError) as error:
            Plugins().load(group, "nobodys-package/xnli", "0.3")
        assert str(error.value) == (
            f"{group[:-1]} 'nobodys-package/xnli' comes from the package nobodys-package, which is not installed: "
            "install it, if you trust it (pip install nobodys-package==0.3)"
        )
    with pytest.raises(UserError, match="did you mean 'xrobust/xnli'"):
        Plugins().load("tasks", "xrobust/xnl")


@pytest.mark.parametrize("name", METRICS)
def test_the_names_of_metrics_are_those_that_there_are(name):
    assert metric(name).name == name
    assert set(METRICS) == set(_METRICS)
