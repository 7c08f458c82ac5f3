"""The attack on input embeddings: against closed forms, and what it must leave alone."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from types import SimpleNamespace
from typing import Any

import accelerate.utils
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_encoders import (
    ARCHITECTURES,
    POSITIONS,
    TinyChoiceTask,
    TinySequenceTask,
    TinyTokenTask,
    checkpoint,
    tokenizer,
)

from xrobust.contracts import Batch, Task
from xrobust.contracts.encoded import IGNORED, Encoded
from xrobust.contracts.noise import Norm, project, uniform_in_ball
from xrobust.engine import attack as module
from xrobust.engine import forward as forward_module
from xrobust.engine import order
from xrobust.engine.attack import _Chain, attack
from xrobust.engine.attack_losses import LOSSES, SHARPNESS
from xrobust.engine.predict import predict
from xrobust.errors import RunError
from xrobust.evaluation.conditions.attack import PgdParams
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.models.pretrained import load_encoder

TASKS = (TinySequenceTask, TinyTokenTask, TinyChoiceTask)
NORMS: tuple[Norm, ...] = ("l2", "linf")
RADII = (0.0, 0.03, 0.1, 0.3, 1.0)
LETTERS = "abcdefgh"


class OneProcess:
    """What the attack asks of an accelerator."""

    device = torch.device("cpu")
    process_index = 0
    num_processes = 1

    @staticmethod
    def autocast() -> Any:
        return nullcontext()

    @staticmethod
    def unwrap_model(model: Any) -> Any:
        return model


def words(k: int, count: int) -> list[str]:
    return [LETTERS[(k + j * j) % 8] * (1 + (k + j) % 3) for j in range(count)]


def rows(task: Task, count: int = 12) -> list[dict[str, Any]]:
    """Examples of different lengths, without labels."""
    if task.kind.pre_split:
        return [{"id": str(k), "tokens": words(k, 1 + k % 5)} for k in range(count)]
    texts = [" ".join(words(k, 1 + k % 4)) for k in range(count)]
    if isinstance(task.kind, MultipleChoice):
        return [
            {"id": str(k), "text": t, "choices": [" ".join(words(k + c, 1 + c)) for c in range(len(task.kind.labels))]}
            for k, t in enumerate(texts)
        ]
    return [{"id": str(k), "text": t, "text_pair": " ".join(words(k + 3, 2))} for k, t in enumerate(texts)]


@cache
def case(architecture: str, task_class: type) -> tuple[Any, Encoded, int]:
    """A model, and items whose gold labels are what it says of them, so that it is right about all."""
    task = task_class()
    encoder = load_encoder(task.kind, str(checkpoint(architecture)), revision=None, seed=0)
    encoder.model.eval()
    pad = encoder.tokenizer.pad_token_id
    examples = rows(task)
    blank = task.kind.encode(examples, encoder.tokenizer, POSITIONS - 2)
    said = task.kind.decode(predict(encoder.model, blank, OneProcess(), pad), blank, examples)
    gold = [{**e, task.kind.gold_column: p.value} for e, p in zip(examples, said, strict=True)]
    return encoder.model, task.kind.encode(gold, encoder.tokenizer, POSITIONS - 2), pad


def chains(
    model: Any, encoded: Encoded, pad: int, radii: Any = RADII, losses: Any = ("cross_entropy",), **other: Any
) -> list[list[list[np.ndarray]]]:
    """For each radius and each chain the output of each item."""
    how = {"steps": 5, "restarts": 1, "step_size": None, "norm": "l2", "seed": 0, "accelerator": OneProcess()}
    return attack(model, encoded, radii, pad_id=pad, losses=losses, **{**how, **other})


def attacked(model: Any, encoded: Encoded, pad: int, radii: Any = RADII, **other: Any) -> list[list[np.ndarray]]:
    """For each radius the output of each item under the first chain."""
    return [of_radius[0] for of_radius in chains(model, encoded, pad, radii, **other)]


def gold_of(encoded: Encoded) -> list[np.ndarray]:
    """The labels of each item: (1,), or (words,)."""
    if not encoded.per_token:
        return [encoded.labels[i : i + 1] for i in range(len(encoded))]
    spans = zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
    return [labels[labels != IGNORED] for labels in (encoded.labels[a:b] for a, b in spans)]


def losses(outputs: list[np.ndarray], encoded: Encoded) -> np.ndarray:
    """(items,)"""
    pairs = zip(outputs, gold_of(encoded), strict=True)
    return np.array([-np.log(np.atleast_2d(p)[range(len(g)), g]).sum() for p, g in pairs])


def wrong(outputs: list[np.ndarray], encoded: Encoded) -> np.ndarray:
    """Number of wrong labels of each item: (items,)."""
    pairs = zip(outputs, gold_of(encoded), strict=True)
    return np.array([(np.atleast_2d(p).argmax(-1) != g).sum() for p, g in pairs])


def scaled_losses(outputs: list[np.ndarray], clean: list[np.ndarray], encoded: Encoded) -> np.ndarray:
    """Cross entropy of logits divided by their scale on clean input: (items,)."""
    values = []
    for under, before, gold in zip(outputs, clean, gold_of(encoded), strict=True):
        scale = np.sqrt(np.log(np.atleast_2d(before)).var(axis=1).mean())
        logits = SHARPNESS * np.log(np.atleast_2d(under)).astype(np.float64) / scale
        values.append((np.logaddexp.reduce(logits, axis=1) - logits[range(len(gold)), gold]).sum())
    return np.array(values)


# --------------------------------------------------------------------------------------- models with a known worst case


class Linear(torch.nn.Module):
    """Logits that are linear in the embeddings: of their sum, of each token, or of each choice's sum."""

    def __init__(self, outputs: int, per_token: bool) -> None:
        super().__init__()
        self.embeddings = torch.nn.Embedding(64, 6)
        self.head = torch.nn.Linear(6, outputs)
        self._per_token = per_token

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embeddings

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: Any) -> Any:
        flat = self.embeddings(input_ids.view(-1, input_ids.shape[-1]))
        if not self._per_token:
            flat = (flat * attention_mask.view(*flat.shape[:2], 1)).sum(1)
        logits = self.head(flat)
        return SimpleNamespace(logits=logits.view(input_ids.shape[:2]) if input_ids.dim() == 3 else logits)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["sequence", "token", "choice"])
def test_the_worst_case_of_a_linear_model_is_reached(norm: Norm, name: str, loss: str) -> None:
    kind = {"sequence": SequenceClassification, "token": TokenClassification, "choice": MultipleChoice}[name](
        ("first", "second")
    )
    task = SimpleNamespace(kind=kind)
    pieces = tokenizer("bert")
    examples = rows(task)  # type: ignore[arg-type]
    for k, example in enumerate(examples):
        label = kind.labels[k % 2]
        example[kind.gold_column] = [label] * len(example["tokens"]) if kind.pre_split else label
    encoded = kind.encode(examples, pieces, POSITIONS)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Linear(kind.num_outputs, encoded.per_token)
    weights = model.head.weight.detach()
    direction = weights[0] if name == "choice" else weights[1] - weights[0]
    dual = float(direction.norm() if norm == "l2" else direction.abs().sum())
    ordinary = np.add.reduceat(~encoded.special, encoded.offsets[:-1]).reshape(len(encoded), -1).sum(1)

    # Offsets add up over tokens; of two choices, one is lowered and the other raised.
    reach = np.ones(len(encoded)) if encoded.per_token else ordinary
    radii = (0.02, 0.1)
    how: Any = {"losses": (loss,), "norm": norm, "steps": 10, "step_size": 0.1}
    clean, *found = attacked(model, encoded, pieces.pad_token_id, (0.0, *radii), **how)
    for radius, outputs, smaller in zip(radii, found, [clean, *found], strict=False):
        left = wrong(smaller, encoded) < [len(gold) for gold in gold_of(encoded)]
        assert left.sum() > 2
        for item in left.nonzero()[0]:  # one that is wrong altogether is left as it is
            before, after, gold = clean[item], outputs[item], gold_of(encoded)[item]
            was, now = (np.atleast_2d(p)[range(len(gold)), gold].astype(np.float64) for p in (before, after))
            odds = np.log((1 - was) / was) + radius * dual * reach[item]
            assert now == pytest.approx(1 / (1 + np.exp(odds)), rel=2e-3)


# -------------------------------------------------------------------------------------------- what is kept of it all


def test_more_wrong_labels_come_first_and_then_the_higher_loss() -> None:
    """Four items of two rows each; the gold label is the first of three."""
    batch = Batch({}, torch.zeros(4, dtype=torch.long), torch.ones(8, 1, 1), torch.Generator(), 1)

    def logits(*chances: tuple[float, float, float]) -> torch.Tensor:
        return torch.tensor(chances).log()

    right, doubtful = (0.8, 0.1, 0.1), (0.35, 0.33, 0.32)
    wrong, more_wrong = (0.4, 0.5, 0.1), (0.3, 0.5, 0.2)
    chain = _Chain(None, batch, logits(right, right, wrong, more_wrong), "cross_entropy", 0, 0)  # type: ignore[arg-type]

    def considered(offset: float, *chances: tuple[float, float, float], items: Any = (0, 1, 2, 3)) -> list[float]:
        chain.consider(torch.tensor(items), torch.full((len(items), 2, 1, 1), float(offset)), logits(*chances))
        return chain.offset[:, :, 0, 0].tolist()

    assert considered(1, doubtful, right, doubtful, right) == [[1, 1], [0, 0], [0, 0], [0, 0]]
    assert considered(2, wrong, doubtful, more_wrong, wrong) == [[2, 2], [2, 2], [2, 2], [0, 0]]
    assert considered(3, doubtful, right, wrong, doubtful) == [[2, 2], [2, 2], [2, 2], [0, 0]]
    assert considered(4, wrong, more_wrong, items=(1, 0)) == [[4, 4], [4, 4], [2, 2], [0, 0]]
    torch.testing.assert_close(chain.logits, logits(more_wrong, wrong, more_wrong, more_wrong))
    assert chain.wrong.tolist() == [1, 1, 1, 1] and not chain.hopeful().any()


def test_what_the_ascent_comes_by_counts_and_not_only_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded, pad = case("bert", TinySequenceTask)
    calls = 0

    def back_to_nothing(offset: torch.Tensor, radius: float, norm: Norm) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return project(offset, radius, norm) if calls % 5 else torch.zeros_like(offset)

    monkeypatch.setattr(module, "project", back_to_nothing)
    clean, found = attacked(model, encoded, pad, [0.0, 0.3])
    assert calls == 5
    assert (losses(found, encoded) > losses(clean, encoded)).all()


# ------------------------------------------------------------------------------------------------------------- encoders


@pytest.mark.parametrize(
    ("architecture", "task_class"),
    [*((a, TinySequenceTask) for a in ARCHITECTURES), ("bert", TinyTokenTask), ("modernbert", TinyChoiceTask)],
)
def test_a_larger_ball_is_worse_and_none_at_all_is_the_clean_prediction(architecture: str, task_class: type) -> None:
    model, encoded, pad = case(architecture, task_class)
    found = attacked(model, encoded, pad)
    clean = predict(model, encoded, OneProcess(), pad)
    assert all(np.array_equal(a, b) for a, b in zip(found[0], clean, strict=True))
    false = np.array([wrong(outputs, encoded) for outputs in found])
    loss = np.array([scaled_losses(outputs, clean, encoded) for outputs in found])
    assert not false[0].any()
    assert (loss[1] > loss[0]).all(), "every item has a worse neighbour"
    assert losses(found[-1], encoded).mean() > losses(clean, encoded).mean() + 0.15
    assert (np.diff(false, axis=0) >= 0).all(), "once fooled, fooled"
    assert ((np.diff(loss, axis=0) >= -1e-5) | (np.diff(false, axis=0) > 0)).all()
    assert (false[-1] > 0).mean() > 0.3


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("task_class", TASKS)
def test_it_is_worse_than_any_of_many_random_offsets(task_class: type, norm: Norm) -> None:
    model, encoded, pad = case("xlm-roberta", task_class)
    radius = 0.2
    (found,) = attacked(model, encoded, pad, [radius], norm=norm)
    # With a step of length 0 what is looked at is the random start.
    random = [
        losses(attacked(model, encoded, pad, [radius], norm=norm, steps=1, step_size=0.0, seed=seed)[0], encoded)
        for seed in range(10)
    ]
    assert (losses(found, encoded) > np.max(random, axis=0)).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("architecture", ["xlm-roberta", "modernbert"])
def test_offsets_stay_in_the_ball_and_off_padding_and_special_tokens(
    architecture: str, norm: Norm, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, encoded, pad = case(architecture, TinyChoiceTask)
    special = torch.tensor(tokenizer(architecture).all_special_ids)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    add = forward_module._EmbeddingNoise._add

    def spy(self: Any, layer: Any, args: Any, output: torch.Tensor) -> Any:
        changed = add(self, layer, args, output)
        if changed is not None:
            seen.append((args[0], (changed - output).detach()))
        return changed

    monkeypatch.setattr(forward_module._EmbeddingNoise, "_add", spy)
    for radius in (0.005, 0.02):
        seen.clear()
        attacked(model, encoded, pad, [radius / 2, radius], norm=norm, steps=3)
        assert len(seen) == 2 * (3 + 1)
        largest = 0.0
        for ids, offset in seen:
            ordinary = ~torch.isin(ids.view(offset.shape[:2]), special)
            assert 0 < ordinary.sum() < ordinary.numel()
            assert not offset[~ordinary].any()
            sizes = torch.linalg.vector_norm(offset[ordinary], ord=2 if norm == "l2" else torch.inf, dim=-1)
            largest = max(largest, float(sizes.max()))
        assert largest == pytest.approx(radius, rel=1e-4)


@pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask])
def test_under_peft(task_class: type) -> None:
    from peft import LoraConfig, get_peft_model

    model, encoded, pad = case("deberta-v2", task_class)
    expected = attacked(model, encoded, pad, [0.1])
    fresh = load_encoder(task_class().kind, str(checkpoint("deberta-v2")), revision=None, seed=0).model
    # The update is zero at the start, so the wrapped model is the same function.
    wrapped = get_peft_model(fresh, LoraConfig(target_modules=["query_proj", "value_proj"]))
    flags = [p.requires_grad for p in wrapped.parameters()]
    found = attacked(wrapped, encoded, pad, [0.1])
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert [p.requires_grad for p in wrapped.parameters()] == flags
    assert len(set(flags)) == 2


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_precision_of_the_run_changes_nothing(precision: str) -> None:
    from xrobust.engine.accelerator import accelerator

    model, encoded, pad = case("bert", TinySequenceTask)
    half = accelerator(precision)
    if half.device.type != "cpu":
        pytest.skip("the model is on the CPU")
    found = attacked(model, encoded, pad, accelerator=half)
    for one, other in zip(found, attacked(model, encoded, pad), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("task_class", TASKS)
def test_restarts_and_losses_add_to_what_one_chain_finds(task_class: type) -> None:
    model, encoded, pad = case("bert", task_class)
    both = ("margin", "cross_entropy")
    radii = [0.03, 0.1]
    many = chains(model, encoded, pad, radii, both, restarts=2, steps=3)
    assert [len(of_radius) for of_radius in many] == [4, 4]
    starts = {tuple(np.concatenate([o.ravel() for o in outputs]).round(6)) for outputs in many[-1]}
    assert len(starts) > 2, "a restart finds another offset"
    once = chains(model, encoded, pad, radii, both, steps=3)
    margin = chains(model, encoded, pad, radii, ("margin",), steps=3)

    def most(of_radius: list[list[np.ndarray]]) -> np.ndarray:
        return np.max([wrong(outputs, encoded) for outputs in of_radius], axis=0)

    for four, two, one in zip(many, once, margin, strict=True):
        assert (most(four) >= most(two)).all() and (most(two) >= most(one)).all()


@pytest.mark.parametrize("task_class", TASKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_head_times_200_is_attacked_as_hard(loss: str, task_class: type) -> None:
    """Whose cross entropy, undivided, has no gradient left."""
    model, encoded, pad = case("xlm-roberta", task_class)
    radii = [0.03, 0.1, 0.3, 1.0]
    before = chains(model, encoded, pad, radii, (loss,))
    head = model.classifier if task_class is not TinySequenceTask else model.classifier.out_proj
    saved = {name: p.detach().clone() for name, p in head.named_parameters()}
    with torch.no_grad():
        for p in head.parameters():
            p.mul_(200)
    after = chains(model, encoded, pad, radii, (loss,))
    head.load_state_dict(saved)
    count = sum(map(len, gold_of(encoded)))
    rates = [[wrong(of_radius[0], encoded).sum() / count for of_radius in found] for found in (before, after)]
    assert rates[1] == pytest.approx(rates[0], abs=0.01)
    assert rates[0][-1] > 0.3


def state(model: Any) -> list[Any]:
    return [
        *((name, p.requires_grad, p.grad, p.detach().clone()) for name, p in model.named_parameters()),
        *((name, m.training, len(m._forward_hooks)) for name, m in model.named_modules()),
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_encoder(TinySequenceTask.kind, str(checkpoint("bert")), revision=None, seed=0).model
    _, encoded, pad = case("bert", TinySequenceTask)
    model.train()
    model.bert.encoder.eval()
    model.bert.embeddings.requires_grad_(False)
    before = state(model)
    modes = []

    def steepest(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
        modes.append(any(m.training for m in model.modules()) or any(p.requires_grad for p in model.parameters()))
        if fails:
            raise RuntimeError("on the way")
        return gradient

    monkeypatch.setattr(module, "steepest", steepest)
    with pytest.raises(RuntimeError, match="on the way") if fails else nullcontext():
        attacked(model, encoded, pad, [0.1])
    assert modes
    assert not any(modes), "in eval mode, without gradients of parameters"
    for one, other in zip(before, state(model), strict=True):
        assert one[:3] == other[:3]
        assert len(one) == 3 or torch.equal(one[3], other[3])


def test_draws_depend_on_seed_and_batch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(order.BATCH_PIECES, "cpu", 40)
    model, encoded, pad = case("distilbert", TinySequenceTask)
    drawn: list[torch.Tensor] = []

    def record(*args: Any, **kwargs: Any) -> torch.Tensor:
        drawn.append(uniform_in_ball(*args, **kwargs))
        return drawn[-1].clone()

    monkeypatch.setattr(module, "uniform_in_ball", record)

    def starts(seed: int) -> list[torch.Tensor]:
        drawn.clear()
        attacked(model, encoded, pad, [0.1], seed=seed, steps=1)
        return list(drawn)

    one, again, other = starts(0), starts(0), starts(1)
    assert len(one) > 3
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    first = {tuple((start[0, 0, 0] / start[0, 0, 0].norm()).round(decimals=3).tolist()) for start in one}
    assert len(first) == len(one), "each batch has draws of its own"


def test_two_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its batches as it would beside another one, whose share is put in at the gathering."""
    monkeypatch.setitem(order.BATCH_PIECES, "cpu", 60)
    model, encoded, pad = case("bert", TinyTokenTask)
    alone = attacked(model, encoded, pad)
    shares: list[list[Any]] = []

    def gather(mine: list[Any]) -> list[Any]:
        shares.append(mine)
        return [pair for share in shares for pair in share]

    monkeypatch.setattr(accelerate.utils, "gather_object", gather)

    class Second(OneProcess):
        process_index, num_processes = 1, 2

    class First(OneProcess):
        num_processes = 2

    with pytest.raises(RunError, match=f"predictions for {len(encoded)} items"):
        attacked(model, encoded, pad, accelerator=Second())
    together = attacked(model, encoded, pad, accelerator=First())
    assert [len(share) > 0 for share in shares] == [True, True]
    for one, two in zip(alone, together, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_radii_ascend() -> None:
    model, encoded, pad = case("bert", TinySequenceTask)
    for radii in ([0.2, 0.1], [-0.1]):
        with pytest.raises(ValueError, match="ascend"):
            attacked(model, encoded, pad, radii)
    assert attacked(model, encoded, pad, []) == []


# ----------------------------------------------------------------------------------------------------------- parameters


def test_radii_are_in_units_of_the_embeddings() -> None:
    relative = PgdParams(epsilons=(0.1, 0.01, 0.1), step_size=0.02)
    assert relative.epsilons == (0.01, 0.1)
    assert relative.radii(3.0) == pytest.approx((0.03, 0.3))
    assert relative.step(3.0) == pytest.approx(0.06)
    absolute = PgdParams(epsilons=(0.01, 0.1), step_size=0.02, relative=False)
    assert absolute.radii(3.0) == (0.01, 0.1)
    assert absolute.step(3.0) == 0.02
    assert PgdParams().step(3.0) is None
    assert PgdParams.model_validate_json(relative.model_dump_json()) == relative


@pytest.mark.parametrize(
    "values",
    [
        {"epsilons": ()},
        {"epsilons": (0.0, 0.1)},
        {"epsilons": (float("nan"),)},
        {"epsilons": (float("inf"),)},
        {"steps": 0},
        {"step_size": 0},
        {"norm": "l1"},
        {"seed": -1},
        {"epsilon": 0.1},
    ],
)
def test_parameters_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PgdParams(**values)
