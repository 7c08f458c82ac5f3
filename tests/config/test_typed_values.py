"""`--set method.mode=nan`: a parameter that is text takes what was typed, whatever YAML reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xrobust.config.composition import compose
from xrobust.config.request import request_values
from xrobust.contracts import Method
from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins

PLUGIN = """
from pathlib import Path
from typing import Any, Literal
from pydantic import Field
from xrobust.contracts import Method, MethodInfo

class Own(Method):
    info = MethodInfo("own", "a method")

    class Params(Method.Params):
        mode: str = "a"
        short: str = Field(default="a", pattern="^[a-z]+$")
        maybe: str | None = None
        one_of: Literal["no", "yes"] = "no"
        names: tuple[str, ...] = ()
        file: Path | None = Field(default=None, exclude=True)
        rate: float = 0.0
        count: int = 0
        often: bool = False
        either: float | str = 0.0
        more: dict[str, Any] = {}
"""


@pytest.fixture
def params(tmp_path: Path) -> Callable[..., Any]:
    """The parameters of a method as `--set method.<assignment>` makes them."""
    file = tmp_path / "own.py"
    file.write_text(PLUGIN)
    plugins = Plugins([file])

    def made(*assignments: str) -> Any:
        values = request_values(None, [f"method.{text}" for text in assignments], {})
        (method,) = compose("own", values.get("method_params", {}), plugins.task("pos"), plugins)
        assert isinstance(method, Method)
        return method.params

    return made


READINGS = [
    "nan",
    "inf",
    "no",
    "off",
    "yes",
    "true",
    "1e3",
    "0x10",
    "0o17",
    "12:30",
    "2020-01-01",
    "7",
    "1_000",
    "null",
    "~",
]


@pytest.mark.parametrize("text", READINGS)
def test_text_stays_as_it_was_typed(params, text):
    assert params(f"mode={text}").mode == text
    assert params(f"own.mode={text}").mode == text
    assert params(f"names=[{text}, b]").names == (text, "b")
    assert str(params(f"file={text}").file) == ("None" if text in ("null", "~") else text)


def test_quotes_are_taken_off(params):
    assert params("mode='7'").mode == "7"
    assert params('mode="no"').mode == "no"


def test_what_is_no_text_is_read_as_yaml_reads_it(params):
    assert params("rate=1e-3", "count=0x10", "often=yes", "one_of=yes").model_dump() == (
        params().model_dump() | {"rate": 1e-3, "count": 16, "often": True, "one_of": "yes"}
    )
    assert params("maybe=null").maybe is None
    assert params("maybe=nan", "short=nan").model_dump() == params().model_dump() | {"maybe": "nan", "short": "nan"}
    assert params("either=1e3").either == 1000.0
    assert params("more={a: no, b: 5e-4}").more == {"a": False, "b": "5e-4"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("rate=nan", "setting 'method.own.rate' is nan: input should be a finite number"),
        ("count=nan", "setting 'method.own.count' is nan: input should be a finite number"),
        ("short=7", "setting 'method.own.short' is 7: input should be a valid string"),
        ("mod=no", "unknown setting 'method.mod' of own: did you mean 'mode'"),
        ("own=no", "setting 'method.own' is False: write method.own.PARAMETER=VALUE"),
    ],
)
def test_what_is_refused_is_named_as_before(params, assignment, message):
    with pytest.raises(UserError) as error:
        params(assignment)
    assert str(error.value).startswith(message)


def test_settings_of_the_run_that_are_text():
    values = request_values(None, ["source=no", "model_revision=0123456", "model=1e3", "seed=3", "limit=null"], {})
    assert values == {"source": "no", "model_revision": "0123456", "model": "1e3", "seed": 3, "limit": None}
