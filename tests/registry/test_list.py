"""`xrobust list`: what there is, broken plugins included, whole and readable by people and programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import GOOD, write_distribution

from xrobust.cli.main import main
from xrobust.cli.table import plain_table, print_table
from xrobust.registry.plugins import Plugins


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: its exit code, output and errors."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        captured = capsys.readouterr()
        code = end.value.code
        return code if isinstance(code, int) else 0, captured.out, captured.err

    return call


def test_every_section_is_there(command):
    code, out, _ = command("list")
    assert code == 0
    lines = out.splitlines()
    assert [line for line in lines if line.partition(":")[0] in ("tasks", "methods", "perturbations", "plugins")] == [
        "tasks",
        "methods",
        "perturbations",
    ]
    assert any(line.startswith("typos") and "typing errors" in line for line in lines)
    assert any(line.startswith("wikiann") and "WikiANN" in line for line in lines)
    assert any(line.startswith("rs_aug") for line in lines)


def test_one_section(command):
    _, out, _ = command("list", "methods")
    assert "vanilla" in out
    assert "wikiann" not in out
    assert "typos" in command("list", "perturbations")[1]


def test_an_empty_section_says_so(command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Plugins, "records", lambda self, group: [])
    assert command("list", "perturbations")[1] == "perturbations: none is installed\n"


def test_an_unknown_section(command):
    code, out, err = command("list", "task")
    assert (code, out) == (2, "")
    assert err == "xrobust: unknown list 'task': did you mean 'tasks'?\n"


def test_json_is_the_records(command):
    _, out, _ = command("list", "--json")
    sections = json.loads(out)
    assert set(sections) == {"tasks", "methods", "perturbations", "models", "data", "presets"}
    (wikiann,) = [record for record in sections["tasks"] if record["name"] == "wikiann"]
    assert wikiann["distribution"] == "xrobust"
    assert wikiann["target"] == "xrobust_tasks.wikiann:WikiAnn"
    assert wikiann["usable_as"] == "wikiann"
    assert [item["name"] for item in sections["data"]] == ["mini"], "packages with code in a folder `data` bring none"
    assert [item["name"] for item in sections["models"]] == ["mini"]
    assert [item["name"] for item in sections["presets"]] == ["mini", "paper"]


def test_a_plugin_file_is_listed(command, tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD.format(name="mine"))
    _, out, _ = command("list", "methods", "--plugin", str(path))
    (line,) = [line for line in out.splitlines() if line.startswith("mine ")]
    assert line.endswith(f" {path}  a method that works")


def test_broken_plugins_are_listed_with_reasons_by_the_real_command(tmp_path: Path):
    """Seven broken plugins at once, in a process of its own: each is named with its distribution, all else works."""
    point = "xrobust.methods"
    good = GOOD.format(name="good")
    write_distribution(tmp_path, "d-import", {point: {"a": "mod_a:X"}}, mod_a="import no_such_module_anywhere")
    write_distribution(tmp_path, "d-gone", {point: {"h": "mod_gone:X"}})
    write_distribution(tmp_path, "d-exit", {point: {"b": "mod_b:X"}}, mod_b="raise SystemExit(7)")
    write_distribution(tmp_path, "d-base", {point: {"c": "mod_c:X"}}, mod_c="class X: pass")
    write_distribution(tmp_path, "d-taken", {point: {"vanilla": "mod_d:Good"}}, mod_d=GOOD.format(name="vanilla"))
    write_distribution(tmp_path, "d-good", {point: {"good": "mod_e:Good"}}, mod_e=good)
    write_distribution(tmp_path, "d-same", {point: {"good": "mod_f:Good"}}, mod_f=good)
    hook = "from xrobust import hookimpl\n@hookimpl\ndef run_start(spec): pass"
    write_distribution(tmp_path, "d-hook", {"xrobust.observers": {"watch": "mod_g"}}, mod_g=hook)

    def real(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "xrobust", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    checked = real("list", "plugins", "--json")
    assert (checked.returncode, checked.stderr) == (1, "")
    problems = {r["distribution"]: r["problem"] for r in json.loads(checked.stdout)["plugins"]}
    assert problems == {
        "xrobust": None,
        "d-import": "importing it raised ModuleNotFoundError: No module named 'no_such_module_anywhere' (mod_a.py:1)",
        "d-gone": "importing it raised ModuleNotFoundError: No module named 'mod_gone'",
        "d-exit": "importing it raised SystemExit: 7 (mod_b.py:1)",
        "d-base": "it is not a subclass of xrobust.contracts.Method",
        "d-taken": "name taken by xrobust; ask for it as d-taken/vanilla",
        "d-good": "name taken by d-same; ask for it as d-good/good",
        "d-same": "name taken by d-good; ask for it as d-same/good",
        "d-hook": "unknown hook 'run_start': did you mean 'run_started'?",
    }

    shown = real("list", "plugins").stdout
    for distribution, problem in problems.items():
        if problem is not None:
            (line,) = [line for line in shown.splitlines() if f"  {distribution} " in line]
            assert line.endswith(f"  {problem}" if problem.startswith("name taken") else f"  failed: {problem}")

    listed = real("list", "methods").stdout.splitlines()
    assert [line.split()[0] for line in listed if "d-taken" in line] == ["d-taken/vanilla"]

    asked = real("show", "method", "b")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == (
        "xrobust: method 'b' cannot be used: importing it raised SystemExit: 7 (mod_b.py:1) (mod_b:X of d-exit 1.2); "
        "repair, upgrade or uninstall d-exit\n"
    )
    assert real("show", "method", "d-taken/vanilla").stdout.startswith("method d-taken/vanilla: a method that works\n")
    assert "ask for 'd-good/good' or 'd-same/good'" in real("show", "method", "good").stderr


def test_the_exit_code_says_if_a_plugin_is_broken(command, distribution):
    assert command("list", "plugins")[0] == 0
    source = GOOD.format(name="vanilla")
    distribution("d-taken", {"xrobust.methods": {"vanilla": "mod_taken:Good"}}, mod_taken=source)
    code, out, _ = command("list", "plugins")
    assert code == 0, "usable by its long name"
    assert "  name taken by xrobust; ask for it as d-taken/vanilla" in out
    distribution("d-broken", {"xrobust.methods": {"broken": "mod_broken:X"}}, mod_broken="x = 1\ndef f(:")
    code, out, err = command("list", "plugins")
    assert (code, err) == (1, "")
    (line,) = [line for line in out.splitlines() if "d-broken" in line]
    assert line.endswith("failed: importing it raised SyntaxError: invalid syntax (mod_broken.py:2)")
    assert any(line.startswith("tasks ") and line.endswith(" ok") for line in out.splitlines()), "the table is whole"
    assert command("list", "methods")[0] == 0


def test_a_broken_file_is_a_row_and_the_others_are_checked(command, tmp_path: Path):
    good, bad, gone = (tmp_path / name for name in ("good.py", "bad.py", "gone.py"))
    good.write_text(GOOD.format(name="of_a_file"))
    bad.write_text("1 / 0\n")
    code, out, err = command(
        *("list", "plugins", "--json"), *(a for f in (bad, good, gone) for a in ("--plugin", str(f)))
    )
    assert (code, err) == (1, "")
    found = {r["name"]: r["problem"] for r in json.loads(out)["plugins"] if not r["version"]}
    assert found == {
        "of_a_file": None,
        "bad": f"{bad}:1: the plugin fails: ZeroDivisionError: division by zero",
        "gone": f"{gone}: the plugin file cannot be read: No such file or directory",
    }


def test_what_a_plugin_says_of_itself_is_shown(command, distribution):
    good = GOOD.format(name="good_one")
    distribution("d-good", {"xrobust.methods": {"good_one": "mod_good_one:Good"}}, mod_good_one=good)
    (line,) = [line for line in command("list", "methods")[1].splitlines() if line.startswith("good_one ")]
    assert line.split()[1:] == ["d-good", "1.2", "a", "method", "that", "works"]


LONG = ["a_name", "[bold]" + "word " * 60 + "end"]


def test_a_table_elsewhere_is_aligned_lines(capsys: pytest.CaptureFixture[str]):
    print_table(["name", "what"], [LONG, ["b", "c"]], "title")
    assert capsys.readouterr().out.splitlines() == ["title", "name    what", f"a_name  {LONG[1]}", "b       c"]
    assert plain_table(["x", "y"], [["", "1"], ["2", ""]]) == ["x  y", "   1", "2"]


def test_a_table_on_a_terminal_wraps_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["name", "what"], [LONG, ["b", "c"]], "title")
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(len(line) <= 40 for line in out.splitlines())
    assert out.count("word") == 60
    assert "a_name" in out
    assert "[bold]" in out
    assert "…" not in out
