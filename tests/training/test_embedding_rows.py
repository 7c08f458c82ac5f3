"""Training only the word embeddings that occur, beside training all of them: the same weights, bit for bit."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_encoders
import torch
import transformers
from safetensors.torch import load_file

from xrobust import RunSpec, hookimpl, load_predictions, run
from xrobust.errors import UserError

Command = Callable[..., subprocess.CompletedProcess[str]]
TRAINING = {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "dev_looks": 3, "max_grad_norm": 0.3, "max_length": 38}
"""Gradients are clipped in every step, by a norm over the table of word embeddings too."""
NAMES = {"word_embeddings.weight", "tok_embeddings.weight", "shared.weight", "embed_tokens.weight"}


def albert() -> Any:
    """A table of 8 dimensions, which a matrix widens to 16."""
    return transformers.AlbertConfig(
        vocab_size=len(tiny_encoders.tokenizer("albert")),
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=40,
        initializer_range=0.3,
        pad_token_id=0,
    )


def deberta() -> Any:
    """A factorised table, and no position embeddings."""
    config = tiny_encoders.config("deberta-v2", len(tiny_encoders.tokenizer("deberta-v2")))
    config.embedding_size = 8
    return config


def untied() -> Any:
    """Output embeddings of their own; the row of padding is none that is trained."""
    config = tiny_encoders.config("xlm-roberta", len(tiny_encoders.tokenizer("xlm-roberta")))
    config.tie_word_embeddings = False
    return config


def plain(architecture: str) -> Callable[[], Any]:
    return lambda: tiny_encoders.config(architecture, len(tiny_encoders.tokenizer(architecture)))


ENCODERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "bert": ("bert", plain("bert")),
    "xlm-roberta": ("xlm-roberta", untied),
    "albert": ("albert", albert),
    "deberta-v2": ("deberta-v2", deberta),
    "modernbert": ("modernbert", plain("modernbert")),
}


def encoder(folder: Path, name: str) -> Path:
    """A seeded encoder with dropout, saved as a masked language model."""
    kind, config = ENCODERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.AutoModelForMaskedLM.from_config(config()).save_pretrained(folder)
    tiny_encoders.tokenizer(kind).save_pretrained(folder)
    return folder


def trained(output: Path, rows: str, model: Path, data: Path, **more: Any) -> Path:
    """The folder of a run whose training has all rows, or those used."""
    training = {**TRAINING, "embedding_rows": rows, **more.pop("training", {})}
    given = {"task": "pos", "languages": ("en", "fr"), "keep_checkpoints": "all", **more}
    spec = RunSpec(model=str(model), data_dir=data, output=output / rows, training=training, **given)
    result = run(spec)
    return output / rows / spec.task / spec.method / result.run_id


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def table(state: dict[str, torch.Tensor]) -> torch.Tensor:
    (name,) = [name for name in state if any(name.endswith(end) for end in NAMES)]
    return state[name]


def require_same(ours: Path, theirs: Path) -> None:
    """The same weights, predictions and document but for times, of runs of one identity."""
    mine, other = weights(ours), weights(theirs)
    assert mine.keys() == other.keys()
    assert [name for name in mine if not torch.equal(mine[name], other[name])] == []
    documents = [json.loads((folder / "result.json").read_text()) for folder in (ours, theirs)]
    for part in ("curve", "dev", "selected_step", "budget"):
        assert documents[0]["training"][part] == documents[1]["training"][part]
    assert documents[0]["run_id"] == documents[1]["run_id"]
    for language in ("en", "fr"):
        assert load_predictions(ours, language) == load_predictions(theirs, language)


def said(folder: Path) -> list[str]:
    """Lines of the log on word embeddings."""
    return [line.partition(" INFO ")[2] for line in (folder / "run.log").read_text().splitlines() if "word emb" in line]


@pytest.mark.parametrize("name", ENCODERS)
def test_the_weights_are_those_of_training_all_rows(name: str, tmp_path: Path, tiny_data: Path) -> None:
    model = encoder(tmp_path / "model", name)
    used, every = (trained(tmp_path, rows, model, tiny_data) for rows in ("used", "all"))
    require_same(used, every)
    before, after = table(load_file(model / "model.safetensors")), table(weights(used))
    changed = (before != after).any(dim=1)
    assert 10 < changed.sum() < len(before), "some rows are trained and some are not"
    (small,), (whole,) = (
        {len(table(load_file(file))) for file in folder.glob("checkpoints/step-*/trainable.safetensors")}
        for folder in (used, every)
    )
    assert changed.sum() <= small < whole == len(before)
    assert said(used) == [f"{small} of {whole} word embeddings occur in training: only they are held for it"]
    assert said(every) == []
    sizes = [sum(f.stat().st_size for f in folder.glob("checkpoints/step-*/*.pt")) for folder in (used, every)]
    assert sizes[0] < sizes[1], "the optimiser's state is as small"


@pytest.mark.parametrize(
    ("method", "params", "task"),
    [
        ("adversarial", {}, "wikiann"),
        ("rs_random", {}, "pos"),
        ("rs_aug+adversarial", {"rs_aug": {"copies": 2}}, "pawsx"),
        ("rs_aug", {"mode": "fresh"}, "wikiann"),
    ],
)
def test_with_noise_and_augmented_text(
    method: str, params: dict[str, Any], task: str, tmp_path: Path, tiny_model: Path, tiny_data: Path
) -> None:
    given: dict[str, Any] = {"task": task, "method": method, "method_params": params, "languages": ("en", "fr")}
    given["gradient_checkpointing"] = task == "pos"
    used, every = (trained(tmp_path, rows, tiny_model, tiny_data, **given) for rows in ("used", "all"))
    require_same(used, every)
    assert len(said(used)) == 1


class Stops:
    """Ctrl-C at the first checkpoint."""

    @hookimpl
    def checkpoint_saved(self, step: int) -> None:
        raise KeyboardInterrupt


def test_a_training_goes_on_with_the_rows_that_it_began_with(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a version that trained all of them wrote the checkpoint; with fewer it begins anew, and says so."""
    undisturbed = trained(tmp_path / "whole", "used", tiny_model, tiny_data)
    lines = {}
    for first, second in (("all", "used"), ("used", "all")):
        spec = RunSpec(
            task="pos",
            model=str(tiny_model),
            data_dir=tiny_data,
            languages=("en", "fr"),
            output=tmp_path / first,
            training={**TRAINING, "embedding_rows": first},
        )
        with pytest.raises(KeyboardInterrupt):
            run(spec, [Stops()])
        result = run(spec.model_copy(update={"training": {**TRAINING, "embedding_rows": second}}))
        folder = tmp_path / first / "pos" / "vanilla" / result.run_id
        require_same(folder, undisturbed)
        lines[first] = (folder / "run.log").read_text()
    assert "all word embeddings are trained, not only those that occur in training: the checkpoint" in lines["all"]
    assert "goes on from the checkpoint of step 4 of 12" in lines["all"]
    assert (
        "it is of a training of other word embeddings: see training.embedding_rows): training begins" in lines["used"]
    )


PLUGIN = '''
from typing import ClassVar

from torch import nn

from xrobust.contracts import Method, MethodInfo


class Given(Method):
    """Given the model, and does nothing with its table."""

    info = MethodInfo(name="given", summary="")
    uses_embedding_table = False

    def adapt(self, model, ctx):
        model.get_input_embeddings()
        return model


class Unsaid(Given):
    info = MethodInfo(name="unsaid", summary="")
    uses_embedding_table = Method.uses_embedding_table


class Tied(Given):
    """An output layer with the table as its weights, as masked language models have it."""

    info = MethodInfo(name="tied", summary="")

    def adapt(self, model, ctx):
        table = model.get_input_embeddings().weight
        model.words = nn.Linear(table.shape[1], table.shape[0], bias=False)
        model.words.weight = table
        return model


class Own(Method):
    """Word pieces of its own, which no text has."""

    info = MethodInfo(name="own", summary="")

    def objective(self, inner, ctx):
        def objective(forward, batch):
            batch.inputs["input_ids"][0, 1] = 7
            return inner(forward, batch)

        return objective
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "methods_on_tables.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.parametrize(
    ("method", "training", "expected"),
    [
        ("given", {}, ""),
        ("unsaid", {}, "method unsaid may use others than those that occur"),
        ("tied", {}, "Linear, an output layer, has the same weights"),
        ("vanilla", {"weight_decay": 0.01}, "training.weight_decay (0.01) changes those that do not occur too"),
        ("lora", {}, None),
    ],
)
def test_all_rows_are_trained_where_it_would_not_be_the_same(
    method: str,
    training: dict[str, Any],
    expected: str | None,
    plugin: Path,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: Path,
) -> None:
    """And the reason is said; not of LoRA, which freezes the table."""
    folder = trained(
        tmp_path,
        "used",
        tiny_model,
        tiny_data,
        method=method,
        plugins=(plugin,),
        training={"max_steps": 2, **training},
        languages=("en",),
    )
    reason = "all word embeddings are trained, not only those that occur in training: "
    lines = said(folder)
    if expected is None:
        assert lines == []
    elif expected:
        assert lines == [reason + expected]
    else:
        assert lines[0].endswith("word embeddings occur in training: only they are held for it")


def test_a_word_piece_that_no_text_has_is_an_error_and_trained_with_all_rows(
    tmp_path: Path, xrobust: Command, plugin: Path, tiny_model: Path, tiny_data: Path
) -> None:
    common = ("run", "--task", "pos", "--method", "own", "--plugin", plugin, "--model", tiny_model)
    common = (*common, "--data-dir", tiny_data, "--languages", "en", "--set", "training.max_steps=2")
    done = xrobust(*common)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "word piece 7 is not in the training set" in line and "method 'own'" in line, line
    assert "--set training.embedding_rows=all" in line
    assert xrobust(*common, "--set", "training.embedding_rows=all").returncode == 0


def test_a_value_that_there_is_not(tiny_model: Path, tiny_data: Path) -> None:
    with pytest.raises(UserError, match="embedding_rows"):
        run(RunSpec(task="pos", model=str(tiny_model), data_dir=tiny_data, training={"embedding_rows": "some"}))
