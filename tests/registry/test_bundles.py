"""Models, data and presets of installed packages: found by name, checked by checksum, never imported."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xrobust import RunSpec, UserError, load_model, load_result, run
from xrobust.cli.main import main
from xrobust.registry import bundles
from xrobust.registry.plugins import Plugins

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What is installed is looked up once a process; here it changes from test to test."""
    forget()
    yield
    forget()


def forget() -> None:
    for cached in (bundles.assets, bundles._bundles, bundles._checked, bundles._sums):
        cached.cache_clear()


@pytest.fixture
def bundle(site: Path, distribution: Callable[..., None], tiny_model: Path, tiny_data: Path) -> Path:
    """A package with a model, data and a preset, and the checksums of all of them."""
    folder = site / "little_bundle"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('a bundle is not imported')\n")
    shutil.copytree(tiny_model, folder / "models" / "little")
    (folder / "models" / "little" / "README.md").write_text("# little\n\nA model of\ntwo layers. It is tiny.\n")
    shutil.copytree(tiny_data, folder / "data" / "little")
    (folder / "data" / "little" / "about.yaml").write_text(
        "id: little-data\nrevision: '3'\nsummary: few\nsample: true\n"
    )
    (folder / "presets").mkdir()
    (folder / "presets" / "little.yaml").write_text(
        "summary: everything little\nmodel: little\ndata_dir: little\n"
        "training: {epochs: 1, learning_rate: 1.0e-3, batch_size: 16, max_length: 64, select_every: null}\n"
        "tasks: {xnli: {training: {epochs: 2}}}\n"
        "methods: {rs_random: {method_params: {epsilon: 0.5}, training: {learning_rate: 2.0e-3}}}\n"
    )
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py")
    sums = (f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(folder).as_posix()}\n" for f in files)
    (folder / "SHA256SUMS").write_text("".join(sums))
    distribution("little", {"xrobust.bundles": {"little": "little_bundle"}})
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that is refused; returns its one line."""

    def command(*arguments: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        error = capsys.readouterr().err
        assert ended.value.code == 2
        assert error.startswith("xrobust: ") and error.count("\n") == 1
        return error

    return command


def test_a_run_by_name(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--preset", "little", "--task", "xnli", "--method", "rs_random", "--languages", "en,de"])
    assert ended.value.code == 0
    (document,) = Path("runs").rglob("result.json")
    result = load_result(document)
    training, method = result.spec.train.training, result.spec.train.method[0]
    assert (training.epochs, training.learning_rate, method.params["epsilon"]) == (2, 2e-3, 0.5)
    assert result.sample, "data that say so make documents that say so"
    assert (result.data.id, result.data.revision) == ("little-data", "3")
    assert (result.model.id, result.require_local().model_path, result.require_local().data_dir) == ("little",) * 3
    load_model(document.parent)
    with pytest.raises(SystemExit) as ended:  # from the names alone, wherever the package lies by then
        main(["eval", str(document.parent), "--languages", "fr"])
    assert ended.value.code == 0
    assert load_result(document).scored() == {"de", "en", "fr"}


def test_a_name_and_its_folder_are_one_run(bundle: Path, tmp_path: Path) -> None:
    from xrobust.plan import make_plan

    common = {"task": "pos", "languages": ("en",), "output": tmp_path, "training": {"max_length": 64}}
    by_name = make_plan(RunSpec(model="little", data_dir=Path("little"), **common))
    by_path = make_plan(RunSpec(model=str(bundle / "models" / "little"), data_dir=bundle / "data" / "little", **common))
    assert by_name.run_id == by_path.run_id


def test_what_the_user_gives_wins_over_the_preset(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    config = tmp_path / "run.yaml"
    config.write_text("training: {epochs: 7}\ntask: xnli\n")
    with pytest.raises(SystemExit):
        main(["run", "-p", "little", "-c", str(config), "--set", "training.batch_size=4", "-l", "en", "--dry-run"])
    training = yaml.safe_load(capsys.readouterr().out)["spec"]["train"]["training"]
    assert (training["epochs"], training["batch_size"], training["learning_rate"]) == (7, 4, 1e-3)


def test_sections_for_the_method_however_it_is_named(tmp_path: Path) -> None:
    from xrobust.config.request import request_values

    own = tmp_path / "own.yaml"
    own.write_text(
        "training: {epochs: 1}\nmethods: {vanilla: {training: {epochs: 2}}, lora: {training: {epochs: 3}}}\n"
        "tasks: {pos: {limit: 3}}\n"
    )
    config = tmp_path / "config.yaml"
    config.write_text("task: pos\nmethod: {name: lora, rank: 2}\n")

    def epochs(*assignments: str, config: Path | None = None, **flags: str) -> int:
        values = request_values(config, assignments, flags, str(own))
        assert values["limit"] == 3
        return int(values["training"]["epochs"])

    assert epochs(task="pos") == 2, "the default method is a method too"
    assert epochs(task="pos", method="lora") == 3
    assert epochs("method=lora", task="pos") == 3
    assert epochs("task=pos", "method=lora") == 3
    assert epochs(config=config) == 3
    assert epochs("training.epochs=9", config=config) == 9
    assert RunSpec.from_preset(str(own), task="pos").training == {"epochs": 2}


def test_a_preset_from_python(bundle: Path) -> None:
    spec = RunSpec.from_preset("little", task="xnli", method="rs_random", training={"batch_size": 4})
    assert (spec.model, spec.method_params) == ("little", {"epsilon": 0.5})
    assert (spec.training["epochs"], spec.training["batch_size"]) == (2, 4)
    with pytest.raises(UserError, match="did you mean 'little'"):
        RunSpec.from_preset("litle", task="xnli")


def test_a_preset_of_ones_own(tiny_model: Path, tiny_data: Path, tmp_path: Path) -> None:
    from xrobust.config.presets import preset_values
    from xrobust.config.run_spec import check_values

    own = tmp_path / "presets" / "own.yaml"
    own.parent.mkdir()
    shutil.copytree(tiny_model, own.parent / "encoder")
    own.write_text("model: ./encoder\ndata_dir: ../data\ntasks: {pos: {limit: 3}}\n")
    values = preset_values(str(own), check_values, "xrobust/pos", "vanilla")
    assert (Path(values["model"]), Path(values["data_dir"]), values["limit"]) == (
        own.parent / "encoder",
        own.parent / ".." / "data",
        3,
    )
    assert "limit" not in preset_values(str(own), check_values, "xnli", None)


def test_list_shows_what_is_bundled(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list"])
    said = capsys.readouterr().out
    for line in ("little  little 1.2", "A model of two layers", "few", "everything little"):
        assert line in said
    with pytest.raises(SystemExit):
        main(["list", "presets"])
    assert "paper" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("models/little/model.safetensors", ["--model", "little"]),
        ("models/little/tokenizer.json", ["--model", "little"]),
        ("data/little/pos/test-de.tsv", ["--data-dir", "little"]),
        ("presets/little.yaml", ["--preset", "little"]),
    ],
)
def test_a_damaged_file_is_named(
    file: str, arguments: list[str], bundle: Path, refused: Refused, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    content = bytearray((bundle / file).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / file).write_bytes(bytes(content))
    rest = [] if "--model" in arguments else ["--model", tiny_model]
    rest += [] if "--data-dir" in arguments else ["--data-dir", tiny_data]
    error = refused("run", "--task", "pos", "--output", tmp_path / "runs", *arguments, *rest)
    assert file in error and "damaged" in error and "install little again" in error
    assert not (tmp_path / "runs").exists()
    (bundle / file).unlink()
    forget()
    assert "cannot be read" in refused("run", "--task", "pos", "--output", tmp_path / "runs", *arguments, *rest)
    shutil.rmtree(bundle / file.partition("/")[0])
    forget()
    assert "cannot be read" in refused("run", "--task", "pos", "--output", tmp_path / "runs", *arguments, *rest)


def test_a_file_that_is_not_the_bundles_is_named(bundle: Path, refused: Refused) -> None:
    (bundle / "data" / "little" / "pos" / "test-it.tsv").write_text("e\tCCONJ\n")
    error = refused("run", "--preset", "little", "--task", "pos")
    assert "test-it.tsv: no file of the bundle (it is not in SHA256SUMS)" in error


def test_damaged_checksums_are_named(bundle: Path, refused: Refused) -> None:
    (bundle / "SHA256SUMS").write_bytes(b"\xff\xfe\n")
    assert "SHA256SUMS: the checksums of the bundle cannot be read" in refused("run", "-p", "little", "-t", "pos")
    (bundle / "SHA256SUMS").write_bytes(b"")
    forget()
    assert "no file of the bundle" in refused("run", "-p", "little", "-t", "pos")


def test_code_is_no_data(site: Path, distribution: Callable[..., None]) -> None:
    """A package may have modules in a folder `data`, and pip leaves `__pycache__` everywhere."""
    package = site / "with_code"
    for folder in ("data/helpers", "models/__pycache__", "models/real"):
        (package / folder).mkdir(parents=True)
    (package / "data" / "__init__.py").write_text("")
    distribution("with-code", {"xrobust.bundles": {"code": "with_code"}})
    origin = "with-code 1.2"
    assert [i.name for i in bundles.assets("models").values() if i.origin == origin] == ["real"]
    assert [i.name for i in bundles.assets("data").values() if i.origin == origin] == []


def test_wrong_names(bundle: Path, refused: Refused, tmp_path: Path) -> None:
    assert "unknown preset 'litle': did you mean 'little'?" in refused("run", "-t", "pos", "-p", "litle")
    assert "nothing.yaml: there is no such file" in refused("run", "-t", "pos", "-p", tmp_path / "nothing.yaml")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("tasks: [pos]\n")
    assert "'tasks' holds settings by name" in refused("run", "-t", "pos", "-p", wrong)
    for text, message in (
        ("modle: little\n", "wrong.yaml: unknown setting 'modle': did you mean 'model'?"),
        ("epochs: 3\n", "wrong.yaml: unknown setting 'epochs'"),
        ("training: {epoch: 3}\n", "wrong.yaml: unknown setting 'training.epoch': did you mean 'epochs'?"),
        ("training: {epochs: many}\n", "wrong.yaml: setting 'training.epochs' is 'many'"),
        ("training: 3\n", "wrong.yaml: setting 'training' is 3: names with values are expected"),
        ("languages: 3\n", "wrong.yaml: setting 'languages' is 3: a list is expected"),
        ("tasks: {poss: {}}\n", "wrong.yaml: unknown name 'poss' in 'tasks': did you mean 'pos'?"),
        ("methods: {1: {}}\n", "wrong.yaml: 'methods' holds settings by name"),
        ("methods: {lora: {modle: a}}\n", "wrong.yaml, methods.lora: unknown setting 'modle'"),
    ):
        wrong.write_text(text)
        assert message in refused("run", "-t", "pos", "-p", wrong)
        if "asks" not in text and "methods" not in text:
            assert message in refused("run", "-t", "pos", "-c", wrong)
    about = bundle / "data" / "little" / "about.yaml"
    about.write_text("sampel: true\n")
    from xrobust.data.about import read_about

    with pytest.raises(UserError, match=r"about\.yaml.*did you mean 'sample'"):
        read_about(about.parent)


def test_a_bundle_that_is_not_there_is_listed_as_failed(distribution: Callable[..., None]) -> None:
    distribution("empty", {"xrobust.bundles": {"gone": "no_such_package"}})
    (record,) = [r for r in Plugins().check_all() if r.distribution == "empty"]
    assert record.problem == "there is no package no_such_package"
    assert bundles.find_asset("models", "gone") is None


def test_data_without_about_are_local(tiny_model: Path, tiny_data: Path, tmp_path: Path) -> None:
    spec = RunSpec(
        task="pos", model=str(tiny_model), data_dir=tiny_data, output=tmp_path, training={"max_steps": 1}, limit=4
    )
    result = run(spec)
    assert not result.sample and result.data.id == "local"
