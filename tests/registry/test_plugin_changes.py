"""A run whose plugins are upgraded, edited or uninstalled after it was trained: each is said, none changes the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import GOOD, write_distribution

from xrobust import RunSpec, UserError, evaluate, load_model, load_result, run
from xrobust.cli.main import main
from xrobust.predict import predict_file
from xrobust.results.schema import RunResult

POINTS = {"xrobust.methods": {"mine": "acme_mine:Good"}}
SOURCE = GOOD.format(name="mine")
EDITED = (
    "the code of method acme/mine, version 1.0, was another when the run was trained with this version: --force trains "
    "again"
)
UPGRADED = (
    "method acme/mine is of version 1.1 now, and was of version 1.0 when the run was trained: the scores may not be "
    "those that it had then"
)


def write(site: Path, version: str = "1.0", source: str = SOURCE) -> None:
    for folder in site.glob("acme-*.dist-info"):
        shutil.rmtree(folder)
    write_distribution(site, "acme", POINTS, version=version, acme_mine=source)


@pytest.fixture
def arguments(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> dict[str, object]:
    return {
        "task": "pos",
        "method": "mine",
        "model": str(tiny_model),
        "data_dir": tiny_data,
        "output": tmp_path / "runs",
        "languages": ("de",),
        "limit": 8,
        "training": {"max_steps": 1},
    }


@pytest.fixture
def trained(site: Path, arguments: dict[str, object]) -> tuple[Path, RunResult]:
    """The folder of a run with a package's method, and its document."""
    write(site)
    result = run(RunSpec.parse(arguments))
    (document,) = Path(str(arguments["output"])).rglob("result.json")
    return document.parent, result


def said(folder: Path, tiny_data: Path) -> list[str]:
    """What `predict` notes besides how it read the text."""
    notes: list[str] = []
    list(predict_file(folder, tiny_data / "pos" / "test-fr.tsv", note=notes.append))
    return notes


def test_nothing_is_said_of_what_stayed_the_same(trained, tiny_data: Path) -> None:
    folder, result = trained
    assert list(result.environment.plugin_code) == ["acme/mine"]
    assert not evaluate(folder, ["fr"]).warnings
    assert not said(folder, tiny_data)


@pytest.mark.parametrize(
    ("version", "source", "warning"), [("1.0", SOURCE + "# edited\n", EDITED), ("1.1", SOURCE, UPGRADED)]
)
def test_a_change_is_in_the_document_of_an_evaluation(
    trained, site: Path, tiny_data: Path, version: str, source: str, warning: str
) -> None:
    folder, before = trained
    write(site, version, source)
    assert warning in said(folder, tiny_data)
    assert evaluate(folder, ["fr"]).warnings == [warning]
    after = load_result(folder)
    assert after.warnings == [warning] and after.run_id == before.run_id
    assert after.environment.plugin_code == before.environment.plugin_code, "that of the training"


def test_a_complete_run_is_left_as_it_is_with_a_warning(
    trained, site: Path, arguments: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained
    command = ["run", "--limit", "8", "--languages", "de", "--set", "training.max_steps=1"]
    for name in ("task", "method", "model", "data_dir", "output"):
        command += ["--" + name.replace("_", "-"), str(arguments[name])]
    write(site, source=SOURCE + "# edited\n")
    before = (folder / "result.json").read_bytes()
    with pytest.raises(SystemExit) as end:
        main(command)
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "is already complete (--force does it again)" in out and f"warning: {EDITED}\n" in out
    assert (folder / "result.json").read_bytes() == before
    with pytest.raises(SystemExit):
        main([*command, "--force"])
    assert EDITED not in capsys.readouterr().out
    assert not evaluate(folder, ["fr"]).warnings


def test_more_languages_for_a_run_of_other_code(trained, site: Path, arguments: dict[str, object]) -> None:
    """`run` goes on to score what `eval` would."""
    folder, before = trained
    write(site, source=SOURCE + "# edited\n")
    result = run(RunSpec.parse({**arguments, "languages": ("de", "fr")}))
    assert result.warnings == [EDITED]
    assert load_result(folder).environment.plugin_code == before.environment.plugin_code


def test_a_package_that_is_gone_is_asked_for(trained, site: Path, tiny_data: Path) -> None:
    folder, _ = trained
    for path in site.glob("acme-*.dist-info"):
        shutil.rmtree(path)
    actions: list[Callable[[], object]] = [
        lambda: evaluate(folder, ["fr"]),
        lambda: load_model(folder),
        lambda: said(folder, tiny_data),
    ]
    for action in actions:
        with pytest.raises(UserError) as error:
            action()
        assert str(error.value) == (
            "method 'acme/mine' comes from the package acme, which is not installed: install it, if you trust it "
            "(pip install acme==1.0)"
        )


def test_a_document_from_before_is_read_without_a_word(trained, site: Path) -> None:
    folder, result = trained
    result.environment.plugin_code = {}
    from xrobust.results.store import save_result

    save_result(folder, result)
    write(site, source=SOURCE + "# edited\n")
    assert not evaluate(folder, ["fr"]).warnings
