"""Labels, names, paths and errors are shown: none of them is markup, or a command that a terminal obeys."""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handmade_runs import make_run, score

from xrobust.cli.counted import Counted
from xrobust.cli.progress import Console
from xrobust.results.store import load_result, save_result
from xrobust.runtime.screen import json_text, visible, write_data

Good = Callable[..., str]

LABEL = "[red]x[/red]\x1b[31m"
SHOWN = r"[red]x[/red]\x1b[31m"
PLUGIN = f'''
from xrobust.contracts import Example, Recipe, Source, Split, Task, TaskInfo
from xrobust.kinds import SequenceClassification


class Hostile(Task):
    """One line\\x1b[2J

    Another [bold]line[/bold]\\x07.
    """

    info = TaskInfo(
        name="hostile",
        summary="a summary " + {LABEL!r},
        source_language="en",
        languages=("en",),
        license="[i]",
        citation={LABEL!r},
    )
    kind = SequenceClassification(labels=({LABEL!r}, "other"))
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)
    metrics = ("accuracy",)
    columns = ("text",)
'''


class Terminal(io.StringIO):
    """Standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, command: Any) -> Callable[..., str]:
    """Runs a command with its output in a file or on a terminal; returns what it printed, errors too."""
    if not request.param:

        def to_a_file(*arguments: object) -> str:
            done = command(*arguments)
            return str(done.out + done.err)

        return to_a_file

    def to_a_terminal(*arguments: object) -> str:
        out, error = Terminal(), Terminal()
        monkeypatch.setenv("COLUMNS", "400")
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", error)
        command(*arguments)
        return out.getvalue() + error.getvalue()

    return to_a_terminal


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "hostile.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


@pytest.fixture
def hostile_run(folder: Path) -> Path:
    """A run whose names, labels, reasons and paths are hostile."""
    result = make_run([score(LABEL, 0.5), score("de", 0.25, perturbation=LABEL)], f"{LABEL}m", task=LABEL)
    path = folder / f"runs{LABEL.replace('/', '.')}" / "one"
    path.mkdir(parents=True)
    save_result(path, result)
    damaged = path.parent / "two\x9b1m"
    damaged.mkdir()
    (damaged / "result.json").write_text("{}")
    return path.parent


def harmless(text: str) -> bool:
    """True if the escapes of `LABEL` are nowhere as they are; rich has other ones of its own."""
    return not any(bad in text for bad in (LABEL, "\x1b[31m", "\x1b[2J", "\x07", "\x9b", "\u202e"))


def test_a_task_with_hostile_texts(printed: Callable[..., str], plugin: Path) -> None:
    for arguments in (["list", "tasks"], ["show", "task", "hostile"], ["list", "plugins"]):
        text = printed(*arguments, "--plugin", plugin)
        assert harmless(text)
        if arguments[1] != "plugins":
            assert SHOWN in text
    assert r"[bold]line[/bold]\x07." in printed("show", "task", "hostile", "--plugin", plugin)


def test_a_run_with_hostile_texts(printed: Callable[..., str], hostile_run: Path) -> None:
    runs = printed("runs", hostile_run)
    assert harmless(runs) and SHOWN in runs and r"two\x9b1m" in runs
    assert SHOWN in (found := printed("runs", hostile_run, "--group")) and harmless(found)
    assert r"\x1b[31m" in (found := printed("compare", hostile_run, hostile_run)) and harmless(found)
    found = printed("leaderboard", hostile_run, "--verify", "documents")
    assert harmless(found) and r"\x1b[31m" in found
    for form in ("json", "csv", "markdown", "latex"):
        assert harmless(printed("leaderboard", hostile_run, "--verify", "documents", "--format", form))


def test_errors_name_what_is_hostile(printed: Callable[..., str]) -> None:
    for arguments in (["run", "-t", LABEL], ["show", "task", LABEL], ["list", LABEL], [LABEL], ["eval", LABEL]):
        text = printed(*arguments)
        assert harmless(text) and r"\x1b[31m" in text


def test_json_has_the_values_as_they_are(good: Good, hostile_run: Path) -> None:
    document = json.loads(good("runs", hostile_run, "--json"))
    assert document["runs"][0]["task"] == LABEL
    value = {LABEL + "\x9b\u202e\u2028\x7f": ["\ud800", "é😀"]}
    text = json_text(value)
    assert json.loads(text) == value and harmless(text) and "é😀" in text


def test_progress_of_a_run(hostile_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = load_result(hostile_run / "one")
    for variables in ({}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "300"}):
        out = Terminal() if variables else io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        console = Console(enabled=True)
        with console.status(LABEL), console:
            console.run_started(LABEL)
            console.phase_started("evaluate", 2)
            console.language_scored(result.scores[0].model_dump())
            console.not_covered(LABEL, LABEL, LABEL)
            console.say(LABEL)
        console.results(result, hostile_run)
        assert harmless(out.getvalue()) and SHOWN in out.getvalue()


def test_progress_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    error = io.StringIO()
    monkeypatch.setattr(sys, "stderr", error)
    with Counted("lines") as counted:
        counted.say(f"file {LABEL}")
    assert error.getvalue() == f"file {SHOWN}\n"


def test_predictions_are_data(
    finished_run: Path, tmp_path: Path, good: Good, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    """In a file and through a pipe each token is as it was, whatever it is; a terminal is told."""
    token = "x\x1b[31m\u202e\x85é"
    (tmp_path / "text").write_text(f"{token}\n", encoding="utf-8")
    assert good("predict", finished_run, tmp_path / "text").startswith(f"{token}\t")
    good("predict", finished_run, tmp_path / "text", "-o", tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith(f"{token}\t")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    command("predict", finished_run, tmp_path / "text")
    assert terminal.getvalue().startswith(r"x\x1b[31m\u202e\x85é" + "\t")


def test_data_are_utf_8_whatever_the_terminal_is() -> None:
    raw = io.BytesIO()
    out, sys.stdout = sys.stdout, io.TextIOWrapper(raw, encoding="ascii")
    try:
        write_data("é\x1b\n")
        assert raw.getvalue() == "é\x1b\n".encode()
    finally:
        sys.stdout = out


def test_what_is_visible() -> None:
    assert visible("a\n\tb\r\x00\x7f\x9f\u2028") == r"a\n\tb\r\x00\x7f\x9f\u2028"
    assert visible("a\n\tb", keep="\n\t") == "a\n\tb"
    assert visible("\udcff.txt") == r"\xff.txt", "a byte of a name that is not UTF-8"
    for text in ("می\u200cخواهم", "\u200fשלום", "👩\u200d🔬", "é", "[red]"):
        assert visible(text) == text


def test_nothing_else_prints() -> None:
    """Whatever prints goes through `xrobust.runtime.screen`; the two consoles of rich show what `visible` gives."""
    root = Path(__file__).resolve().parents[2]
    found = []
    for folder in ("xrobust", "tasks", "methods"):
        for file in (root / folder).rglob("*.py"):
            if file.name == "screen.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    *("print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write", "rich.print"),
                ):
                    found.append(f"{file.relative_to(root)}:{node.lineno}")
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "TextColumn":
                    assert any(one.arg == "markup" for one in node.keywords), f"{file}:{node.lineno}"
    assert found == []
