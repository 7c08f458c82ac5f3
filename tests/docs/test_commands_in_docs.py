"""Every command in README and docs runs, in its order, in an empty folder; every Python and YAML block is tried too.

Commands run on the tiny model and data instead of the hub's, and on few rows; nothing else of them is changed.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from xrobust import RunSpec, load_result, run
from xrobust.cli.main import main
from xrobust.registry.plugins import Plugins

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(
    page: Path,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: Path,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_run, "RUN")
    Path("text.tsv").write_text("the\ncat\nsees\n\nAnna\nlikes\nParis\n.\n")
    for source in blocks(page, "python"):
        if "class " in source:
            (base,) = re.findall(r"^class \w+\((\w+)\):", source, re.MULTILINE)
            Path(f"my_{base.lower()}.py").write_text(source)
    commands = [line for block in blocks(page, "console") for line in block.splitlines()]
    for line in commands:
        assert line.startswith("$ xrobust "), f"{page.name}: {line}"
        arguments = shlex.split(line)[2:]
        if arguments[:2] == ["analyze", "distance"]:
            pytest.importorskip("urielplus", reason='language distances need: pip install "xrobust[analysis]"')
        if arguments[0] == "run":
            arguments += ["--model", str(tiny_model), "--data-dir", str(tiny_data), "--limit", "6"]
            arguments += ["--set", "training.max_steps=1"]
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        assert ended.value.code == 0, f"{page.name}: {line}: {said.err}"
        assert said.out.strip() or {"-o", "--output"} & set(arguments), f"{page.name}: {line} says nothing"
    if page.name == "comparing.md":
        for source in blocks(page, "python"):
            exec(compile(source, page.name, "exec"), {})


def test_the_readme_has_commands_to_run() -> None:
    assert len(blocks(ROOT / "README.md", "console")) >= 2


def test_the_python_and_yaml_of_the_guide(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (settings,) = blocks(ROOT / "docs" / "usage.md", "yaml")
    Path("run.yaml").write_text(settings)
    assert yaml.safe_load(settings)["task"] == "pos"
    with pytest.raises(SystemExit) as ended:
        main(["run", "--config", "run.yaml", "--model", str(tiny_model), "--data-dir", str(tiny_data), "--dry-run"])
    assert ended.value.code == 0
    (source,) = blocks(ROOT / "docs" / "usage.md", "python")
    small = f"model={str(tiny_model)!r}, data_dir={str(tiny_data)!r}, limit=6, training={{'max_steps': 1}}, task="
    exec(compile(source.replace("task=", small), "usage.md", "exec"), {})
    (document,) = Path("runs").rglob("result.json")
    assert load_result(document).scored() == {"en", "de"}


@pytest.mark.parametrize("name", ["results.md", "perturbations_published.md"])
def test_python_beside_a_run(name: str, tmp_path: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_run, "RUN")
    sources = blocks(ROOT / "docs" / name, "python")
    assert sources
    for source in sources:
        exec(compile(source, name, "exec"), {})


def test_the_method_of_the_plugin_guide_learns(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    """Not only does it run: the noise reaches the loss, and a larger one another loss."""
    source = next(block for block in blocks(ROOT / "docs" / "plugins.md", "python") if "class " in block)
    plugin = tmp_path / "my_method.py"
    plugin.write_text(source)
    assert Plugins([plugin]).load("methods", "gaussian_noise").info.summary
    losses = []
    for sigma in (0.001, 5.0):
        spec = RunSpec(
            task="pos",
            method="gaussian_noise",
            method_params={"sigma": sigma},
            plugins=(plugin,),
            model=str(tiny_model),
            data_dir=tiny_data,
            output=tmp_path / "runs",
            languages=("en",),
            training={"max_steps": 2},
        )
        training = run(spec).training
        assert training is not None
        losses.append(training.curve[-1].loss)
    assert losses[0] != losses[1]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
