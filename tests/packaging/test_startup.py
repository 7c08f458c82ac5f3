"""What the quick commands do not import. No clock: what is imported is what takes the time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scored_runs import accuracy_group

HEAVY = {
    "accelerate",
    "datasets",
    "evaluate",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "safetensors",
    "scipy",
    "seqeval",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "urielplus",
}

REPORT = "; print('\\n'.join(sys.modules), file=sys.stderr)"


def imported(program: str, *arguments: str) -> set[str]:
    """The top-level modules that a program ends with."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


COMMAND = f"""
import sys
from xrobust.cli.main import main
try:
    main(sys.argv[1:])
finally:
    pass{REPORT}
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "run --help",
        "eval --help",
        "predict --help",
        "runs --help",
        "analyze --help",
        "analyze distance --help",
        "compare --help",
        "leaderboard --help",
        "leaderboard show --help",
        "list",
        "list methods --json",
        "list plugins",
        "show method rs_aug",
        "show method lora",
    ],
)
def test_quick_commands_import_nothing_heavy(arguments: str):
    modules = imported(COMMAND, *arguments.split())
    assert "xrobust" in modules
    assert not modules & HEAVY


def test_help_is_printed_without_the_settings():
    assert not imported(COMMAND, "--help") & {"pydantic", "yaml"}


@pytest.mark.parametrize(
    "arguments", ["compare method=vanilla method=rs_aug", "leaderboard runs", "runs --group", "schema leaderboard"]
)
def test_commands_on_documents_do_without_torch(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("vanilla", "rs_aug"):
        accuracy_group(tmp_path / "runs", method, {"en": 0.8, "de": 0.6}, [1, 2], n=40, drop=0.2)
    monkeypatch.chdir(tmp_path)
    assert not imported(COMMAND, *arguments.split()) & {"torch", "transformers", "peft", "accelerate", "datasets"}


def test_the_library_imports_nothing_heavy():
    library = "xrobust, xrobust.contracts, xrobust.kinds, xrobust.contracts.noise, xrobust.registry.plugins"
    modules = imported(f"import sys, {library}{REPORT}")
    assert not modules & HEAVY


FIRST_STEP = f"""
import os, sys

from xrobust import hookimpl


@hookimpl
def step_finished():
    {REPORT.strip("; ")}
    sys.stderr.flush()
    os._exit(0)
"""


def test_training_begins_without_what_it_does_not_use(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    (tmp_path / "first_step.py").write_text(FIRST_STEP)
    modules = imported(
        COMMAND,
        "run",
        "--task",
        "pos",
        "--model",
        str(tiny_model),
        "--data-dir",
        str(tiny_data),
        "-o",
        str(tmp_path / "runs"),
        "--plugin",
        str(tmp_path / "first_step.py"),
        "--set",
        "training.max_steps=1",
    )
    assert "torch" in modules
    assert not modules & {"datasets", "evaluate", "matplotlib", "pandas", "peft", "pyarrow", "seqeval", "sklearn"}


def test_listing_needs_neither_rich_nor_pluggy_where_nothing_is_drawn():
    assert not imported(COMMAND, "list") & {"rich", "pluggy"}
