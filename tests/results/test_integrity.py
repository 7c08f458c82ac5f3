"""Mutants of real small runs: each damage is found, said in one line, and nothing that was planted is executed."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub
import pytest
from safetensors.torch import load_file, save_file

from xrobust import EvaluationRequest, RunSpec, UserError, evaluate, load_model, load_predictions, load_result, run
from xrobust.cli.main import main
from xrobust.cli.result_tables import print_results
from xrobust.config.validation import validated
from xrobust.predict import predict_file
from xrobust.results.examples import RunExamples, score_metric
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import model_artifacts, save_result
from xrobust.storage.hashing import file_sha256
from xrobust_methods.peft_any import PeftAny


def mini(method: str, output: Path, **more: Any) -> Path:
    """A run of a few examples on the bundled model and data."""
    spec = RunSpec.from_preset(
        "mini",
        task="pos",
        method=method,
        limit=12,
        languages=("en", "de"),
        output=output,
        training={"max_steps": 1},
        **more,
    )
    return output / "pos" / method / run(spec).run_id


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose whole model was saved, with perturbed scores."""
    return mini("vanilla", tmp_path_factory.mktemp("whole"), perturb=("typos",))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which PEFT saved an adapter."""
    return mini("lora", tmp_path_factory.mktemp("adapted"))


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "run"))


def flipped(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replaced(path: Path) -> None:
    path.write_bytes(b"{}")


DAMAGES = (flipped, truncated, replaced, Path.unlink)


def refusal(use: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        use()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ------------------------------------------------------------------------------------------------------------ the model


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_model(name: str, damage: Callable[[Path], None], whole: Path, copied: Callable[..., Path]) -> None:
    check_damaged(copied(whole), name, damage)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "tokenizer.json"])
def test_a_damaged_adapter(
    name: str, damage: Callable[[Path], None], adapted: Path, copied: Callable[..., Path]
) -> None:
    check_damaged(copied(adapted), name, damage)


def check_damaged(folder: Path, name: str, damage: Callable[[Path], None]) -> None:
    load_model(folder)  # which remembers the sums
    before = (folder / "result.json").read_bytes()
    damage(folder / "model" / name)
    said = refusal(lambda: load_model(folder))
    how = "a file of the trained model is missing" if damage is Path.unlink else "damaged or replaced since training"
    assert said.startswith(f"{folder / 'model' / name}: {how}: ")
    text = folder.parent / "text.txt"
    text.write_text("the\n")
    assert refusal(lambda: list(predict_file(folder, text))) == said
    assert refusal(lambda: evaluate(folder, ["de"])) == said
    assert (folder / "result.json").read_bytes() == before


@pytest.mark.parametrize("command", ["eval", "predict", "run"])
def test_what_a_command_says(
    command: str, whole: Path, copied: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`run`: the same command that goes on after a kill, with the scores of one language to add."""
    folder = copied(whole)
    flipped(folder / "model" / "model.safetensors")
    (tmp_path / "text.txt").write_text("the\n")
    arguments = [command, str(folder), *([str(tmp_path / "text.txt")] if command == "predict" else [])]
    if command == "run":
        shutil.move(folder, tmp_path / "pos" / "vanilla" / whole.name)
        folder = tmp_path / "pos" / "vanilla" / whole.name
        settings = "--preset mini --task pos --limit 12 -l en,de,fr --set training.max_steps=1"
        arguments = ["run", *settings.split(), "-o", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert said.startswith(f"xrobust: {folder / 'model' / 'model.safetensors'}: damaged or replaced since training: ")


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "adapter_config.json", "chat_template.jinja", "code.py", "a/b.json"]
)
def test_a_file_that_someone_put_there(name: str, whole: Path, copied: Callable[..., Path]) -> None:
    folder = copied(whole)
    file = folder / "model" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    assert refusal(lambda: load_model(folder)).startswith(f"{file}: no file that training wrote")


def test_a_card_may_be_there_and_be_edited(adapted: Path, copied: Callable[..., Path]) -> None:
    folder = copied(adapted)
    (folder / "model" / "README.md").write_text("mine")
    (folder / "model" / ".DS_Store").write_text("")
    (model, _), (original, _) = load_model(folder), load_model(adapted)
    assert model.state_dict().keys() == original.state_dict().keys()


def test_a_document_without_sums_still_loads(
    whole: Path, copied: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(whole)
    result = load_result(folder)
    result.artifacts = [artifact for artifact in result.artifacts if artifact.role == "predictions"]
    save_result(folder, result)
    load_model(folder)
    assert "its document has no sums of the model's files: they are not checked" in caplog.text
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        kept = (folder / "model" / name).read_bytes()
        for damage in (halved, replaced, Path.unlink):
            damage(folder / "model" / name)
            assert str(folder) in refusal(lambda: load_model(folder))
            (folder / "model" / name).write_bytes(kept)


def test_files_of_the_model_lie_in_it(whole: Path, copied: Callable[..., Path]) -> None:
    folder = copied(whole)
    result = load_result(folder)
    next(artifact for artifact in result.artifacts if artifact.role == "weights").path = "model/../../weights"
    save_result(folder, result)
    assert "its document names 'model/../../weights' as a file of the model" in refusal(lambda: load_model(folder))


def test_a_file_is_hashed_once(whole: Path, copied: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, hashed = copied(whole), []
    for file in (folder / "model").iterdir():
        os.utime(file, (1e9, 1e9))
    monkeypatch.setattr("xrobust.storage.file_memo.YOUNG", -1e9)

    def noted(file: Path) -> str:
        hashed.append(file.name)
        return file_sha256(file)

    monkeypatch.setattr("xrobust.results.model_files.file_sha256", noted)
    load_model(folder)
    assert sorted(hashed) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    hashed.clear()
    load_model(folder)
    assert hashed == []
    os.utime(folder / "model" / "tokenizer.json")
    load_model(folder)
    assert hashed == ["tokenizer.json"]


# ------------------------------------------------------------------------ folders made to execute code, with their sums


class Planted:
    """Something that writes a marker when it is executed, in every form that it can take in a folder."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "marker"

    def source(self) -> str:
        return (
            f"open({str(self.marker)!r}, 'a').close()\n"
            "from transformers import BertConfig as Config, BertModel as Model, BertTokenizerFast as Tokenizer\n"
        )

    def __reduce__(self) -> Any:
        return open, (str(self.marker), "a")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    """Also makes any question at a prompt and any use of the network an error."""

    def no(*arguments: object, **more: object) -> NoReturn:
        raise AssertionError(f"asked, or went to the network: {arguments}")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)
    monkeypatch.setattr(builtins, "input", no)
    modules = tmp_path / "modules"
    modules.mkdir()
    made = Planted(tmp_path)
    for name in ("evil", "evil_core"):
        (modules / f"{name}.py").write_text(made.source())
    monkeypatch.syspath_prepend(str(modules))
    yield made
    assert not made.marker.exists(), "executed"


def updated(path: Path, **values: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | values))


def signed_anew(folder: Path) -> None:
    """Gives the document the sums of the files that are there now, as anyone can."""
    result: RunResult = load_result(folder)
    kept = [artifact for artifact in result.artifacts if artifact.role == "predictions"]
    result.artifacts = kept + model_artifacts(folder)
    save_result(folder, result)


def own_code(model: Path, planted: Planted) -> None:
    (model / "modeling_evil.py").write_text(planted.source())


def config_of_own_code(model: Path, planted: Planted) -> None:
    own_code(model, planted)
    auto_map = {"AutoConfig": "modeling_evil.Config", "AutoModelForTokenClassification": "modeling_evil.Model"}
    updated(model / "config.json", model_type="evil", auto_map=auto_map)


def config_of_own_code_elsewhere(model: Path, planted: Planted) -> None:
    updated(model / "config.json", model_type="evil", auto_map={"AutoConfig": "stranger/evil--modeling_evil.Config"})


def known_config_with_own_code(model: Path, planted: Planted) -> None:
    own_code(model, planted)
    auto_map = {"AutoConfig": "modeling_evil.Config", "AutoModelForTokenClassification": "modeling_evil.Model"}
    updated(model / "config.json", auto_map=auto_map)


def tokenizer_of_own_code(model: Path, planted: Planted) -> None:
    own_code(model, planted)
    auto_map = {"AutoTokenizer": ["modeling_evil.Tokenizer", "modeling_evil.Tokenizer"]}
    updated(model / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map=auto_map)


def tokenizer_of_own_code_elsewhere(model: Path, planted: Planted) -> None:
    auto_map = {"AutoTokenizer": ["stranger/evil--modeling_evil.Tokenizer", None]}
    updated(model / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map=auto_map)


def pickled_weights(model: Path, planted: Planted) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": planted}))


def layers_of_the_hub(model: Path, planted: Planted) -> None:
    updated(model / "config.json", attn_implementation="stranger/kernels")


def type_that_fetches(model: Path, planted: Planted) -> None:
    updated(model / "config.json", model_type="timm_wrapper", architecture="stranger/evil")


def adapter_of_another_model(model: Path, planted: Planted) -> None:
    updated(model / "adapter_config.json", peft_type="LORA", base_model_name_or_path="stranger/evil", r=8)


WHOLE = {
    config_of_own_code: "is of type 'evil', which transformers",
    config_of_own_code_elsewhere: "without running code of its own, which xrobust never does",
    known_config_with_own_code: None,
    tokenizer_of_own_code: None,
    tokenizer_of_own_code_elsewhere: None,
    pickled_weights: "the saved model cannot be loaded: ",
    layers_of_the_hub: "its config.json wants attn_implementation 'stranger/kernels', code of its own",
    type_that_fetches: "is a timm_wrapper model, not an encoder",
    adapter_of_another_model: "PEFT saved its model, and the run's methods do not use PEFT",
}


@pytest.mark.parametrize("plant", WHOLE)
def test_a_folder_made_to_execute_code(
    plant: Callable[[Path, Planted], None], whole: Path, copied: Callable[..., Path], planted: Planted
) -> None:
    """None: it loads, and what was planted in it is not looked at."""
    folder = copied(whole)
    plant(folder / "model", planted)
    signed_anew(folder)
    if (expected := WHOLE[plant]) is None:
        load_model(folder)
    else:
        assert expected in refusal(lambda: load_model(folder))


ADAPTED = {
    "base_model_name_or_path": ("stranger/evil", None),
    "auto_mapping": ({"base_model_class": "Model", "parent_library": "evil"}, None),
    "revision": ("main", None),
    "megatron_core": ("evil_core", "megatron_core is 'evil_core' where the run's methods"),
    "megatron_config": ({"tensor_model_parallel_size": 1}, "megatron_config is {"),
    "peft_type": ("XLORA", "peft_type is 'XLORA' where"),
    "target_modules": (["classifier"], "target_modules is ['classifier'] where"),
    "r": (4, "r is 4 where the run's methods with this version of peft have 8: the file was changed, or peft was"),
}


@pytest.mark.parametrize("setting", ADAPTED)
def test_an_adapter_made_to_execute_code(
    setting: str, adapted: Path, copied: Callable[..., Path], planted: Planted
) -> None:
    folder = copied(adapted)
    value, expected = ADAPTED[setting]
    updated(folder / "model" / "adapter_config.json", **{setting: value})
    signed_anew(folder)
    if expected is None:
        load_model(folder)
    else:
        assert expected in refusal(lambda: load_model(folder))


def test_an_adapter_of_pickled_weights(adapted: Path, copied: Callable[..., Path], planted: Planted) -> None:
    folder = copied(adapted)
    (folder / "model" / "adapter_model.safetensors").unlink()
    (folder / "model" / "adapter_model.bin").write_bytes(pickle.dumps({"weight": planted}))
    signed_anew(folder)
    assert "the saved model lacks its weights: there is no adapter_model.safetensors" in refusal(
        lambda: load_model(folder)
    )


@pytest.mark.parametrize("name", ["model", "adapter_model"])
def test_weights_of_another_shape(name: str, whole: Path, adapted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree({"model": whole, "adapter_model": adapted}[name], tmp_path / name))
    file = folder / "model" / f"{name}.safetensors"
    weights = {key: tensor[..., :1].contiguous() for key, tensor in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    signed_anew(folder)
    said = {"model": "its config.json asks for ", "adapter_model": "cannot be loaded: "}[name]
    assert said in refusal(lambda: load_model(folder))


UNUSABLE = (
    ({"num_hidden_layers": 10**7}, "num_hidden_layers is 10000000"),
    ({"vocab_size": 1 << 40}, "vocab_size is 1099511627776"),
    ({"max_position_embeddings": 1 << 45}, "max_position_embeddings is 35184372088832"),
    ({"intermediate_size": 1 << 40}, r"asks for [\d,]+ parameters, and [\d,]+ are saved"),
    ({"dtype": "nope"}, "transformers cannot use a value in it"),
    ({"hidden_act": "os.system"}, "transformers cannot use a value in it"),
    ({"id2label": []}, "transformers cannot use a value in it"),
)


@pytest.mark.parametrize(("values", "expected"), UNUSABLE)
def test_a_configuration_of_a_trained_model_that_is_unusable(
    values: dict[str, Any],
    expected: str,
    whole: Path,
    copied: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is refused before memory is taken for the model."""
    folder = copied(whole)
    updated(folder / "model" / "config.json", **values)
    signed_anew(folder)
    monkeypatch.setattr("xrobust.models.trained._whole_model", None)
    assert re.search(f"the model in .*: its config.json .*{expected}", refusal(lambda: load_model(folder)))


def test_scores_in_a_metric_that_the_task_lacks(whole: Path, copied: Callable[..., Path]) -> None:
    """One line where all else would be in another metric; where it is some score of a language, no line for that."""
    folder = copied(whole)
    result = load_result(folder)
    rows = list(result.scores)
    result.scores[0] = rows[0].model_copy(update={"metric": "<script>"})
    save_result(folder, result)
    print_results(load_result(folder))
    assert "its scores are in '<script>', and task pos has " in refusal(lambda: evaluate(folder, ["de"]))
    result.scores = [row if row.language == "en" else row.model_copy(update={"metric": "<script>"}) for row in rows]
    save_result(folder, result)
    print_results(load_result(folder))


@pytest.mark.parametrize("setting", ["megatron_config", "megatron_core", "tokenizer_kwargs", "tokenizer_name_or_path"])
def test_a_method_takes_no_name_of_code(setting: str) -> None:
    type_ = "LORA" if setting.startswith("megatron") else "PROMPT_TUNING"
    values = {"type": type_, "config": {setting: "evil_core"}}
    assert f"peft {type_} has no setting '{setting}'" in refusal(lambda: validated(PeftAny.Params, values, "method"))


# ------------------------------------------------------------------------------------------------------ the predictions


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("label", [None, "typos"])
def test_damaged_predictions(
    label: str | None, damage: Callable[[Path], None], whole: Path, copied: Callable[..., Path]
) -> None:
    """Readers refuse them; `eval` makes them again where it needs them, and says so."""
    folder = copied(whole)
    before = load_result(folder)
    file = folder / "predictions" / (label or "") / "de.parquet"
    content = load_predictions(folder, "de", label)
    damage(file)
    reason = "its predictions are missing" if damage is Path.unlink else "was changed since it was written"
    assert reason in refusal(lambda: load_predictions(folder, "de", label))
    examples = RunExamples(folder, before, score_metric(before.main_metric, "pos"))
    key = ScoreKey(condition="perturbed" if label else "clean", language="de", perturbation=label)
    assert reason in refusal(lambda: examples.of(key))
    after = evaluate(folder, request=EvaluationRequest(languages=("de",), perturb=("typos", "casing")))
    under = "de under typos is scored again" if label else "de is predicted again"
    assert any(text.startswith(under) and reason in text for text in after.warnings)
    assert load_predictions(folder, "de", label) == content
    known = {(row.key, row.metric): row.value for row in before.scores if row.condition != "worst_case"}
    assert {key: value for key, value in scores(after).items() if key in known} == known
    assert all(
        RunExamples(folder, after, score_metric(after.main_metric, "pos")).of(row.key) for row in after.main_scores()
    )


def scores(result: RunResult) -> dict[Any, float]:
    return {(row.key, row.metric): row.value for row in result.scores}


def test_the_worst_case_waits_for_damaged_predictions(whole: Path, copied: Callable[..., Path]) -> None:
    """Those of a perturbation that is not asked for: their scores stay, and none is made of a part of them."""
    folder = copied(whole)
    flipped(folder / "predictions" / "typos" / "de.parquet")
    result = evaluate(folder, request=EvaluationRequest(languages=("de",), perturb=("casing",)))
    assert any(text.startswith("the worst case of de is not scored: typos: ") for text in result.warnings)
    kinds = [row.condition for row in result.main_scores() if row.language == "de"]
    assert kinds == ["clean", "perturbed", "perturbed"]
    result = evaluate(folder, request=EvaluationRequest(languages=("de",), perturb=("typos",)))
    kinds = [row.condition for row in result.main_scores() if row.language == "de"]
    assert kinds == ["clean", "perturbed", "perturbed", "worst_case"]


# ------------------------------------------------------------------------------------------------------------ the cache


@pytest.mark.parametrize("damage", [flipped, truncated, replaced])
@pytest.mark.parametrize("section", ["perturbed", "encoded"])
def test_a_damaged_cache_changes_no_score(
    section: str,
    damage: Callable[[Path], None],
    whole: Path,
    copied: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    request = EvaluationRequest(languages=("fr",), perturb=("typos",))
    first = evaluate(copied(whole), request=request)
    files = [path for path in (tmp_path / "cache" / "xrobust" / section).rglob("*") if path.is_file()]
    assert files
    for file in files:
        damage(file)
    shutil.rmtree(tmp_path / "run")
    assert scores(evaluate(copied(whole), request=request)) == scores(first)
