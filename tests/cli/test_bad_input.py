"""What bad input gets: one line that says what is wrong, where and what to do; exit code 2; nothing written.

Through `main()` in this process, which is what the command runs, so that many cases stay fast.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.cli.main import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command in an empty folder; returns its exit code and its error, and checks the error's form."""
    work = tmp_path / "empty"
    work.mkdir()
    monkeypatch.chdir(work)

    def command(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()  # what making the test's own files printed
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        error = capsys.readouterr().err
        assert error.startswith("xrobust: ")
        assert error.count("\n") == 1, "one line"
        assert "Traceback" not in error
        assert not list(work.iterdir()), "nothing is written"
        return int(stopped.value.code or 0), error

    return command


@pytest.fixture
def base(tiny_model: Path, tiny_data: Path) -> list[object]:
    return ["run", "--task", "wikiann", "--model", tiny_model, "--data-dir", tiny_data]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "wikian"], "did you mean 'wikiann'"),
        (["--method", "rs_agu"], "did you mean 'rs_aug'"),
        (["--method", "rs_random+rs_random"], "each part occurs once"),
        (["--method", "rs_random+"], "empty part"),
        (["--method", "lora+adapter"], "cannot be combined"),
        (["--method", "vanilla+lora"], "cannot be combined"),
        (["--languages", "de,fx"], "fx"),
        (["--source", "de"], "train"),
        (["--set", "training.learning_rat=1"], "did you mean 'learning_rate'"),
        (["--set", "trainin.epochs=1"], "unknown setting"),
        (["--set", "training.epochs=no"], "training.epochs"),
        (["--set", "epochs"], "name=value"),
        (["--method", "adversarial", "--set", "method.epsilom=1"], "did you mean 'epsilon'"),
        (["--method", "adversarial", "--set", "method.epsilon=-1"], "method.adversarial.epsilon"),
        (["--method", "adversarial+rs_random", "--set", "method.epsilon=1"], "method.adversarial.epsilon"),
        (["--seeds", "one"], "--seeds"),
        (["--seeds", "1,1"], "--seeds '1,1': 1 is there twice, which is one run: name each seed once"),
        (["--limit", "0"], "limit"),
        (["--precision", "fp8"], "precision"),
        (["--keep-checkpoints", "some"], "keep_checkpoints"),
        (["--model", "./nowhere"], "nowhere"),
        (["--set", "training.max_length=4096"], "at most 64"),
        (["--data-dir", "./nowhere"], "nowhere"),
        (["--plugin", "./nothing.py"], "nothing.py"),
        (["--config", "./nothing.yaml"], "nothing.yaml"),
        (["--nonsense"], "--nonsense"),
        (["--num-processes", "0"], "num-processes"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_bad_arguments(failing: Run, base: list[object], arguments: list[str], message: str) -> None:
    code, error = failing(*base, *arguments)
    assert code == 2
    assert message in error


def test_no_task(failing: Run) -> None:
    code, error = failing("run")
    assert code == 2
    assert "--task" in error


def test_unknown_command(failing: Run) -> None:
    code, error = failing("rum")
    assert code == 2
    assert "rum" in error


def test_bad_config_key(failing: Run, base: list[object], tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("langages: [de]\n")
    code, error = failing(*base, "--config", config)
    assert code == 2
    assert "did you mean 'languages'" in error
    config.write_text("plugin: evil.py\n")
    assert "a preset cannot name plugin files ('plugin')" in failing(*base, "--preset", config)[1]
    config.write_text("- a list\n")
    assert failing(*base, "--config", config)[0] == 2
    config.write_text("a: [\n")
    assert "not YAML" in failing(*base, "--config", config)[1]
    config.write_text("limit: 3\nlimit: 4\n")
    assert failing(*base, "--config", config) == (
        2,
        f"xrobust: {config}, line 2: 'limit' stands in line 1 too: keep one\n",
    )


@pytest.fixture
def damaged(tiny_data: Path, tmp_path: Path) -> Path:
    """A copy of the data, to be damaged."""
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_data, folder)
    return folder


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("wikiann/test-fr.tsv", b"Anna\tB-PER\nOtto\n", "test-fr.tsv:2"),
        ("wikiann/test-fr.tsv", b"Anna\tB-PER\nOtto\tB-DOG\n", "test-fr.tsv:2"),
        ("wikiann/train-en.tsv", b"", "train-en.tsv"),
        ("wikiann/dev-en.tsv", b"Anna\tB-PER\n\xff\xfe\tO\n", "dev-en.tsv:2"),
    ],
    ids=["too few columns", "unknown label", "empty file", "invalid UTF-8"],
)
def test_damaged_data(failing: Run, tiny_model: Path, damaged: Path, file: str, content: bytes, message: str) -> None:
    (damaged / file).write_bytes(content)
    code, error = failing("run", "--task", "wikiann", "--model", tiny_model, "--data-dir", damaged)
    assert code == 2
    assert message in error


def test_missing_language_is_named_with_what_is_there(failing: Run, base: list[object]) -> None:
    _, error = failing(*base, "--languages", "de,sw")
    assert "'sw'" in error
    assert "de, en, fr" in error


def test_models_that_are_none(failing: Run, base: list[object], tmp_path: Path, tiny_model: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    decoder = tmp_path / "decoder"
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=50)).save_pretrained(decoder)
    code, error = failing(*base, "--model", decoder)
    assert code == 2
    assert "not an encoder" in error
    mute = tmp_path / "mute"
    shutil.copytree(tiny_model, mute)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (mute / name).unlink()
    code, error = failing(*base, "--model", mute)
    assert code == 2
    assert "no tokenizer" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "lora", "--set", "method.targets=[quer]"], "is called 'quer': did you mean 'query'"),
        (["--method", "peft", "--set", "method.type=PREFIX_TUNING"], "needs num_virtual_tokens"),
        (["--method", "peft", "--set", "method.type=PROMPT_TUNING"], "tags would no longer belong to their words"),
        (["--method", "adapter", "--set", "method.reduction=17"], "more than the hidden size, 16"),
    ],
    ids=["lora", "prefix tuning", "prompt tuning", "adapter"],
)
def test_methods_that_do_not_go_with_the_model(
    failing: Run, base: list[object], arguments: list[str], message: str
) -> None:
    code, error = failing(*base, *arguments)
    assert code == 2
    assert message in error


@pytest.mark.parametrize("damage", ["weights cut off", "another size", "another architecture"])
def test_models_whose_weights_cannot_be_used(
    failing: Run, base: list[object], tmp_path: Path, tiny_model: Path, damage: str
) -> None:
    model = tmp_path / "damaged"
    shutil.copytree(tiny_model, model)
    if damage == "weights cut off":
        whole = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    else:
        changed = {"hidden_size": 32} if damage == "another size" else {"model_type": "roberta"}
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, **changed}))
    code, error = failing(*base, "--model", model)
    assert code == 2
    assert "its weights cannot be loaded" in error or "its weights are not those of" in error


def test_unwritable_folder_is_found_before_training(failing: Run, base: list[object], tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    code, error = failing(*base, "--output", blocked)
    assert code == 2
    assert "cannot write" in error


def test_commands_on_something_that_is_no_run(failing: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.tsv"
    text.write_text("a\tb\n")
    for arguments in (["eval", tmp_path], ["predict", tmp_path, text], ["runs", tmp_path / "nowhere"]):
        assert failing(*arguments)[0] == 2


def test_a_document_that_was_changed_is_refused(failing: Run, tmp_path: Path, finished_run: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(finished_run, folder)
    document = json.loads((folder / "result.json").read_text())
    document["spec"]["train"]["seed"] = 7
    (folder / "result.json").write_text(json.dumps(document))
    code, error = failing("eval", folder)
    assert code == 2
    assert "was changed" in error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "training: {epochs: [" + "1, " * 400 + "]}",
            r"setting 'training.epochs' is (\[1, 1, .*\.\.\.): input should be a valid integer",
        ),
        (
            "training: " + "x" * 5000,
            r"setting 'training' is ('xx.*x\.\.\.): names with values are expected: {name: value}",
        ),
    ],
)
def test_a_long_value_is_cut(failing: Run, base: list[object], tmp_path: Path, line: str, message: str) -> None:
    config = tmp_path / "long.yaml"
    config.write_text(line + "\n")
    code, error = failing(*base, "--config", config)
    found = re.fullmatch(rf"xrobust: {re.escape(str(config))}: {message}\n", error)
    assert code == 2
    assert found is not None, error
    assert len(found[1]) == 80


def test_a_long_assignment_is_cut(failing: Run, base: list[object]) -> None:
    code, error = failing(*base, "--set", "x" * 300)
    assert (code, error.count("x") < 90) == (2, True)
    assert error.endswith("...: write it as name=value, for instance training.learning_rate=5e-4\n")
