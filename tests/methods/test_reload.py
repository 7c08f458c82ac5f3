"""A trained model that was saved and loaded again gives identical logits: every method, five architectures.

The base checkpoints are masked language models, so heads and some poolers are new, and must come back too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file
from tiny_encoders import (
    ARCHITECTURES,
    EXAMPLES,
    TinyChoiceTask,
    TinySequenceTask,
    TinyTokenTask,
    batch,
    checkpoint,
)

from xrobust import UserError, load_model
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.contracts import Batch, DataContext, Forward, Method, ModelContext, Objective, Task
from xrobust.engine.forward import ModelForward
from xrobust.models.files import model_identity
from xrobust.models.pretrained import load_encoder
from xrobust.models.trained import load_trained, save_model
from xrobust.registry.plugins import Plugins
from xrobust_methods.adapter import Adapter
from xrobust_methods.adversarial import Adversarial
from xrobust_methods.lora import Lora
from xrobust_methods.peft_any import PeftAny
from xrobust_methods.rs_aug import RsAug
from xrobust_methods.rs_random import RsRandom
from xrobust_methods.vanilla import Vanilla

SEED = 3
WORDS = {"fox": ["dog", "cat"], "the": ["a"], "why": ["who"]}
METHODS: dict[str, Callable[[], Method]] = {
    "vanilla": lambda: Vanilla(Vanilla.Params()),
    "adversarial": lambda: Adversarial(Adversarial.Params(steps=1)),
    "rs_random": lambda: RsRandom(RsRandom.Params()),
    "rs_aug": lambda: RsAug(RsAug.Params()),
    "lora": lambda: Lora(Lora.Params(rank=2)),
    "adapter": lambda: Adapter(Adapter.Params(reduction=4)),
    "houlsby": lambda: Adapter(Adapter.Params(reduction=4, placement="houlsby")),
    "peft": lambda: PeftAny(PeftAny.Params(type="IA3")),
}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
both_kinds = pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask])


@dataclass
class Trained:
    model: Any
    tokenizer: Any
    task: Task
    methods: list[Method]
    base: Path
    logits: torch.Tensor


def plain(forward: Forward, batch: Batch) -> torch.Tensor:
    return forward(batch).loss


def logits(model: Any, b: Batch) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**b.inputs).logits
    return found


def train(architecture: str, task: Task, methods: list[Method], tmp_path: Path) -> Trained:
    """Two steps with all stages of the methods, large enough to move everything."""
    base = checkpoint(architecture)
    encoder = load_encoder(task.kind, str(base), revision=None, seed=SEED)
    context = ModelContext(task, SEED, encoder.modules_to_save, encoder.embedding_norm())
    table = tmp_path / "table.json"
    table.write_text(json.dumps(WORDS))
    examples: Any = EXAMPLES[task.info.name]
    objective: Objective = plain
    model = encoder.model
    for method in methods:
        examples = method.augment(examples, DataContext(task, SEED, 0, {"neighbors": table}))
        objective = method.objective(objective, context)
        model = method.adapt(model, context)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    forward = ModelForward(model.train(), model, autocast=nullcontext)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    b = batch(task, encoder.tokenizer, examples=examples)
    torch.manual_seed(0)
    for _ in range(2):
        objective(forward, b).backward()
        optimiser.step()
        optimiser.zero_grad()
    forward.close()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert moved <= trainable
    assert len(moved) > 0.8 * len(trainable)  # a bottleneck unit may never fire
    for module in encoder.modules_to_save:
        assert any(module in name for name in moved), f"{module} was not trained"
    return Trained(model, encoder.tokenizer, task, methods, base, logits(model, batch(task, encoder.tokenizer)))


def reloaded(folder: Path, trained: Trained, seed: int = SEED) -> tuple[Any, Any]:
    return load_trained(folder, trained.task, str(trained.base), revision=None, seed=seed, methods=trained.methods)


@pytest.mark.parametrize("name", METHODS)
@every_architecture
@both_kinds
def test_logits_are_identical(name: str, architecture: str, task_class: type, tmp_path: Path) -> None:
    trained = train(architecture, task_class(), [METHODS[name]()], tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    save_model(trained.model, trained.tokenizer, folder)
    assert not list(folder.glob("*.bin"))

    model, pieces = reloaded(folder, trained)
    assert not model.training
    b = batch(trained.task, pieces)
    assert torch.equal(logits(model, b), trained.logits)

    # Nothing that the seed decides is left: it all comes from the folder and the base model.
    if name in ("lora", "adapter", "houlsby", "peft"):
        assert torch.equal(logits(reloaded(folder, trained, seed=SEED + 1)[0], b), trained.logits)

    # The libraries alone can load it too.
    auto = trained.task.kind.auto_class
    if name in ("lora", "peft"):
        alone = getattr(peft, auto.replace("AutoModel", "AutoPeftModel")).from_pretrained(folder, num_labels=3)
        fresh = getattr(transformers, auto).from_pretrained(trained.base, num_labels=3)
        assert torch.equal(logits(peft.PeftModel.from_pretrained(fresh, folder), b), trained.logits)
    elif name in ("adapter", "houlsby"):
        return
    else:
        alone = getattr(transformers, auto).from_pretrained(folder)
        assert alone.config.id2label == {
            0: trained.task.kind.labels[0],
            1: trained.task.kind.labels[1],
            2: trained.task.kind.labels[2],
        }
    assert torch.equal(logits(alone, b), trained.logits)
    b_alone = batch(trained.task, transformers.AutoTokenizer.from_pretrained(folder))
    assert torch.equal(b_alone.inputs["input_ids"], b.inputs["input_ids"])


@pytest.mark.parametrize("parts", ["rs_random lora", "rs_aug adversarial adapter"])
@every_architecture
def test_compositions(parts: str, architecture: str, tmp_path: Path) -> None:
    trained = train(architecture, TinySequenceTask(), [METHODS[part]() for part in parts.split()], tmp_path)
    (tmp_path / "model").mkdir()
    save_model(trained.model, trained.tokenizer, tmp_path / "model")
    model, pieces = reloaded(tmp_path / "model", trained)
    assert torch.equal(logits(model, batch(trained.task, pieces)), trained.logits)


@pytest.mark.parametrize("name", ["vanilla", "lora", "adapter", "peft"])
@every_architecture
def test_multiple_choice(name: str, architecture: str, tmp_path: Path) -> None:
    trained = train(architecture, TinyChoiceTask(), [METHODS[name]()], tmp_path)
    (tmp_path / "model").mkdir()
    save_model(trained.model, trained.tokenizer, tmp_path / "model")
    model, pieces = reloaded(tmp_path / "model", trained)
    assert torch.equal(logits(model, batch(trained.task, pieces)), trained.logits)


SETTINGS: dict[str, dict[str, Any]] = {
    "C3A": {"block_size": 8},
    "FOURIERFT": {"n_frequency": 10},
    "MISS": {"r": 2},
    "PREFIX_TUNING": {"num_virtual_tokens": 3},
    "PROMPT_TUNING": {"num_virtual_tokens": 3},
    "P_TUNING": {"num_virtual_tokens": 3, "encoder_hidden_size": 8},
}


@pytest.mark.parametrize(
    "name",
    [*SETTINGS, "BOFT", "HRA", "LN_TUNING", "LOHA", "LOKR", "OFT", "RANDLORA", "VERA"],
)
def test_other_peft_methods(name: str, tmp_path: Path) -> None:
    method = PeftAny(PeftAny.Params(type=name, config=SETTINGS.get(name, {})))
    trained = train("bert", TinySequenceTask(), [method], tmp_path)
    (tmp_path / "model").mkdir()
    save_model(trained.model, trained.tokenizer, tmp_path / "model")
    model, pieces = reloaded(tmp_path / "model", trained, seed=SEED + 1)
    assert torch.equal(logits(model, batch(trained.task, pieces)), trained.logits)


@pytest.mark.parametrize(
    ("architecture", "new"), [("bert", "pooler"), ("distilbert", "pre_classifier"), ("deberta-v2", "pooler")]
)
@pytest.mark.parametrize("name", ["lora", "adapter", "peft"])
def test_new_poolers_are_in_the_saved_file(name: str, architecture: str, new: str, tmp_path: Path) -> None:
    trained = train(architecture, TinySequenceTask(), [METHODS[name]()], tmp_path)
    (tmp_path / "model").mkdir()
    save_model(trained.model, trained.tokenizer, tmp_path / "model")
    (weights,) = (tmp_path / "model").glob("*.safetensors")
    stored = load_file(weights)
    assert any(new in key for key in stored)
    assert any("classifier" in key for key in stored)
    assert not any("word_embeddings" in key for key in stored)


# --------------------------------------------------------------------------------------------------------- load_model


DOCUMENT = Path(__file__).parents[1] / "results/documents_v1/failed.json"


def run_folder(tmp_path: Path, name: str, base: Path | None = None) -> tuple[Path, Trained]:
    """A run as the engine leaves it, of a task that is installed."""
    task = Plugins().load("tasks", "xnli")()
    method: Method = METHODS[name]()
    original = checkpoint("bert")
    encoder = load_encoder(task.kind, str(original), revision=None, seed=SEED)
    model = method.adapt(encoder.model, ModelContext(task, SEED, encoder.modules_to_save, encoder.embedding_norm()))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    save_model(model, encoder.tokenizer, folder / "model")
    part = {"name": method.info.name, "params": method.params.model_dump(mode="json")}
    identity = model_identity(str(original), None, True)
    document = json.loads(DOCUMENT.read_text())
    train = document["spec"]["train"]
    train |= {"task": "xnli", "method": [part], "seed": SEED, "model": {"sha256": identity["sha256"]}}
    document |= {"run_id": run_id(train), "group_id": group_id(train)}
    document["environment"]["model_path"] = str(base or original)
    (folder / "result.json").write_text(json.dumps(document))
    b = batch(TinySequenceTask(), encoder.tokenizer)
    return folder, Trained(model, encoder.tokenizer, task, [method], original, logits(model, b))


@pytest.mark.parametrize("name", ["vanilla", "lora", "houlsby", "peft"])
def test_load_model_takes_a_folder_or_its_document(name: str, tmp_path: Path) -> None:
    folder, trained = run_folder(tmp_path, name)
    for run in (folder, str(folder), folder / "result.json"):
        model, pieces = load_model(run)
        assert not model.training
        assert torch.equal(logits(model, batch(TinySequenceTask(), pieces)), trained.logits)


@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_load_model_notices_that_the_base_model_is_another(name: str, tmp_path: Path) -> None:
    folder, _ = run_folder(tmp_path, name, base=checkpoint("distilbert"))
    with pytest.raises(UserError, match="has changed since this run"):
        load_model(folder)
    (tmp_path / "other").mkdir()
    folder, _ = run_folder(tmp_path / "other", name, base=tmp_path / "gone")
    with pytest.raises(UserError, match="is not there"):
        load_model(folder)


def test_a_full_model_needs_no_base(tmp_path: Path) -> None:
    folder, trained = run_folder(tmp_path, "vanilla", base=tmp_path / "gone")
    model, pieces = load_model(folder)
    assert torch.equal(logits(model, batch(TinySequenceTask(), pieces)), trained.logits)


def test_what_is_said_of_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run at"):
        load_model(tmp_path)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="schema version None"):
        load_model(tmp_path)
    shutil.copy(DOCUMENT, tmp_path / "result.json")
    with pytest.raises(UserError, match="its model was not kept"):
        load_model(tmp_path)
