"""`xrobust show`: a plugin's facts and parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import yaml
from handmade import GOOD
from pydantic import BaseModel, Field

from xrobust.cli.main import main
from xrobust.cli.parameters import parameters
from xrobust.registry.plugins import Plugins


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["show", *arguments])
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_a_task(capsys: pytest.CaptureFixture[str]):
    code, out, _ = show(capsys, "task", "wikiann")
    task = Plugins().load("tasks", "wikiann")
    assert code == 0
    facts = dict(line.split("  ", 1) for line in out.splitlines() if "  " in line.strip())
    facts = {label.strip(): text.strip() for label, text in facts.items()}
    assert facts["kind"] == "token_classification"
    assert facts["labels"].split() == list(task.kind.labels)
    assert facts["languages"] == f"{' '.join(task.info.languages)} (40)"
    assert facts["metric span_f1"].endswith("(main score)")
    assert facts["training.epochs"] == str(task.recipe.epochs)
    assert task.info.hub is not None
    assert facts["hub data set"] == task.info.hub.repo
    assert facts["hub revision"] == task.info.hub.revision
    assert facts["licence"] == task.info.license
    assert facts["citation"] == task.info.citation


@pytest.mark.parametrize("name", [r.name for r in Plugins().records("methods") if r.distribution == "xrobust"])
def test_every_built_in_method_shows_its_equation_and_parameters(capsys: pytest.CaptureFixture[str], name: str):
    code, out, _ = show(capsys, "method", name)
    method = Plugins().load("methods", name)
    assert code == 0
    assert out.startswith(f"method {name}: {method.info.summary}\nfrom xrobust ")
    lines = out.splitlines()
    for field, info in method.Params.model_fields.items():
        (row,) = [line for line in lines if line.split()[:1] == [field] and (info.description or "") in line]
        assert info.description, f"{name}.{field} has no description"
        default = info.get_default(call_default_factory=True)
        assert info.is_required() or default is None or str(default).lower() in row.lower()
    if method.Params.model_fields:
        assert f"--set method.{name}." in lines[-1]
    else:
        assert "no parameters" in lines


@pytest.mark.parametrize("name", [r.name for r in Plugins().records("perturbations") if r.distribution == "xrobust"])
def test_every_built_in_perturbation_shows_its_kinds_and_parameters(capsys: pytest.CaptureFixture[str], name: str):
    code, out, _ = show(capsys, "perturbation", name)
    perturbation = Plugins().load("perturbations", name)
    assert code == 0
    assert out.startswith(f"perturbation {name}: {perturbation.info.summary}\nfrom xrobust ")
    assert ["kinds", *perturbation.info.kinds] in [line.split() for line in out.splitlines()]
    for field, info in perturbation.Params.model_fields.items():
        assert info.description, f"{name}.{field} has no description"
        assert [line for line in out.splitlines() if line.split()[:1] == [field] and info.description in line]


def test_every_built_in_task_is_shown(capsys: pytest.CaptureFixture[str]):
    for record in Plugins().records("tasks"):
        assert show(capsys, "task", record.name)[0] == 0


def test_a_preset_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]):
    code, out, _ = show(capsys, "preset", "paper")
    assert code == 0
    assert yaml.safe_load(out)["training"]["learning_rate"] == 2e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("methods", "vanilla"), "cannot show 'methods': did you mean 'method'?"),
        (("method", "vanila"), "unknown method 'vanila': did you mean 'vanilla'?"),
        (("task", "vanilla"), "unknown task 'vanilla'"),
        (("preset", "minu"), "unknown preset 'minu': did you mean 'mini'?"),
        (("perturbation", "typo"), "unknown perturbation 'typo': did you mean 'typos'?"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], message: str):
    code, out, err = show(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"xrobust: {message}")
    assert err.count("\n") == 1


def test_a_plugin_file_without_a_docstring(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text('"""What the module says."""\n' + GOOD.format(name="mine"))
    code, out, _ = show(capsys, "method", "mine", "--plugin", str(path))
    assert code == 0
    assert out == (
        f"method mine: a method that works\nfrom {path} ({path}:4)\n\nWhat the module says.\n\n"
        "changes  nothing: plain fine-tuning\nsees     source\n\nno parameters\n"
    )


def test_a_perturbation_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    path = tmp_path / "noise.py"
    path.write_text(
        "from pydantic import Field\n"
        "from xrobust.contracts import Perturbation, PerturbationInfo\n"
        "from xrobust.contracts import Parameters as Base\n"
        "class Shout(Perturbation):\n"
        "    info = PerturbationInfo('shout', 'capitals', kinds=('token_classification',), citation='nobody')\n"
        "    class Params(Base):\n"
        "        rate: float = Field(default=0.5, gt=0, le=1, description='share of words')\n"
        "    def apply(self, example, language, rng): return None\n"
    )
    code, out, _ = show(capsys, "perturbation", "shout", "--plugin", str(path))
    assert code == 0
    assert "kinds     token_classification\ncitation  nobody\n" in out
    assert "rate       number  0.5      > 0, <= 1  share of words" in out.splitlines()
    assert out.splitlines()[-1].startswith("set with --set perturb.shout.rate=VALUE, or perturb.rate")


class Nested(BaseModel):
    size: int = 1


class Everything(BaseModel):
    needed: int = Field(description="must\n  be given")
    share: float = Field(default=0.5, gt=0, le=1, description="d")
    choice: Literal["a", "b"] = Field(default="a", description="d")
    maybe: int | None = Field(default=None, ge=2, description="d")
    several: list[str] = Field(default_factory=lambda: ["x"], min_length=1, description="d")
    path: Path | None = Field(default=None, exclude=True, description="d")
    nested: Nested = Field(default=Nested(), description="d")
    empty: str = ""
    words: frozenset[str] = frozenset("edcba")


def test_parameters_are_described_from_the_model():
    assert parameters(Everything) == [
        ("needed", "integer", "required", "", "must be given"),
        ("share", "number", "0.5", "> 0, <= 1", "d"),
        ("choice", "a | b", "a", "", "d"),
        ("maybe", "integer | null", "null", ">= 2", "d"),
        ("several", "list of string", '["x"]', "at least 1 items", "d"),
        ("path", "path | null", "null", "", "d"),
        ("nested", "object", '{"size":1}', "", "d"),
        ("empty", "string", '""', "", ""),
        ("words", "list of string", '["a","b","c","d","e"]', "", ""),
    ]
