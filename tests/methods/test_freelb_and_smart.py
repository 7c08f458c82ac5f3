"""freelb and smart: against the papers' algorithms in plain torch, and what the engine does around them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_encoders import (
    HIDDEN,
    TinyChoiceTask,
    TinySequenceTask,
    TinyTokenTask,
    batch,
    checkpoint,
)
from torch.nn import functional as F
from xrobust_baselines.freelb import FreeLB
from xrobust_baselines.smart import Smart
from xrobust_example.r_drop import RDrop

from xrobust.contracts import IGNORED, Batch, Forward, Method, ModelContext, Objective, Output
from xrobust.engine.forward import ModelForward
from xrobust.models.pretrained import load_encoder
from xrobust_methods.adversarial import Adversarial
from xrobust_methods.rs_random import RsRandom

UNIT = 2.0
CONTEXT = ModelContext(task=TinySequenceTask(), seed=0, modules_to_save=frozenset(), embedding_norm=UNIT)
every_kind = pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask, TinyChoiceTask])

FREELB = {"steps": 3, "step_size": 0.2, "init_magnitude": 0.3}
SMART = {"step_size": 0.1, "noise": 0.02}
"""Larger than the defaults, so that offsets of a wrong length or place show."""


def plain(forward: Forward, batch: Batch) -> torch.Tensor:
    return forward(batch).loss


def composed(*methods: Method) -> Objective:
    """As the engine does it: of several methods the rightmost is outermost."""
    objective: Objective = plain
    for method in methods:
        objective = method.objective(objective, CONTEXT)
    return objective


def freelb(**params: Any) -> FreeLB:
    return FreeLB(FreeLB.Params(**{**FREELB, **params}))


def smart(**params: Any) -> Smart:
    return Smart(Smart.Params(**{**SMART, **params}))


METHODS: tuple[Callable[[], Method], ...] = (freelb, smart)


def prepared(task_class: type = TinySequenceTask) -> tuple[Any, Batch]:
    """A model without dropout, as long as it is in eval mode, and its batch."""
    task = task_class()
    encoder = load_encoder(task.kind, str(checkpoint("xlm-roberta")), revision=None, seed=0)
    return encoder.model.eval(), batch(task, encoder.tokenizer)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    """The gradients of all parameters that have one; they are taken off."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def learned(model: Any, objective: Objective, inputs: Batch, **options: Any) -> dict[str, torch.Tensor]:
    """The gradients of an objective, with the draws of a fresh batch and dropout of a seed."""
    inputs.generator.manual_seed(0)
    torch.manual_seed(5)
    forward = ModelForward(options.get("module", model), model, autocast=options.get("autocast", nullcontext))
    try:
        objective(forward, inputs).backward()
    finally:
        forward.close()
    return gradients(model)


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float = 1e-5) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=tolerance, rtol=tolerance, msg=name)


def differ(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return any(not torch.allclose(found[name], expected[name], atol=1e-3) for name in expected)


# -------------------------------------------------------------------------------- the algorithms, straight from papers


def logits_at(model: Any, inputs: Batch, delta: torch.Tensor) -> torch.Tensor:
    """The labelled items' logits (items, labels), with `delta` on the input embeddings."""
    others = dict(inputs.inputs)
    ids = others.pop("input_ids")
    embedded = model.get_input_embeddings()(ids) + delta.view(*ids.shape, HIDDEN)
    return model(inputs_embeds=embedded, **others).logits[inputs.labels != IGNORED]


def loss_at(model: Any, inputs: Batch, delta: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits_at(model, inputs, delta), inputs.labels[inputs.labels != IGNORED], reduction="sum")


def freelb_of_the_paper(
    model: Any, inputs: Batch, *, steps: int, step_size: float, magnitude: float, max_norm: float
) -> None:
    """Algorithm 1: each backward pass adds to the parameters' gradients and gives the next step of the ascent."""
    drawn = 2 * torch.rand(inputs.noise_shape(), generator=torch.Generator().manual_seed(0)) - 1
    ordinary = inputs.noise_mask.squeeze(-1).bool()
    sentences = [row for row in range(len(drawn)) if ordinary[row].any()]
    delta = torch.zeros_like(drawn)
    for row in sentences:
        count = int(ordinary[row].sum()) * HIDDEN
        delta[row, ordinary[row]] = drawn[row, ordinary[row]] * magnitude / count**0.5
    for _ in range(steps):
        delta.requires_grad_()
        (loss_at(model, inputs, delta) / steps).backward()
        gradient, delta = delta.grad, delta.detach().clone()
        for row in sentences:
            its = gradient[row, ordinary[row]]
            moved = delta[row, ordinary[row]] + step_size * its / its.square().sum().sqrt()
            length = moved.square().sum().sqrt()
            delta[row, ordinary[row]] = moved * max_norm / length if length > max_norm else moved


def divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL in both directions, by torch's own."""
    p, q = p.log_softmax(-1), q.log_softmax(-1)
    return F.kl_div(p, q, reduction="sum", log_target=True) + F.kl_div(q, p, reduction="sum", log_target=True)


def smart_of_the_paper(
    model: Any, inputs: Batch, *, weight: float, steps: int, step_size: float, deviation: float, epsilon: float
) -> None:
    """Algorithm 1 without the proximal part: the gradient of cross entropy plus the smoothness at the worst point."""
    ordinary = inputs.noise_mask.squeeze(-1).bool()
    normal = torch.randn(inputs.noise_shape(), generator=torch.Generator().manual_seed(0))
    delta = torch.zeros_like(normal)
    delta[ordinary] = normal[ordinary] * deviation
    held = logits_at(model, inputs, torch.zeros_like(delta)).detach()
    for _ in range(steps):
        delta.requires_grad_()
        divergence(held, logits_at(model, inputs, delta)).backward()
        gradient, delta = delta.grad[ordinary], delta.detach().clone()
        moved = delta[ordinary] + step_size * gradient / torch.linalg.vector_norm(
            gradient, ord=float("inf"), dim=-1, keepdim=True
        )
        delta[ordinary] = moved.clip(-epsilon, epsilon)
    model.zero_grad()
    clean = logits_at(model, inputs, torch.zeros_like(delta))
    labels = inputs.labels[inputs.labels != IGNORED]
    loss = F.cross_entropy(clean, labels, reduction="sum")
    (loss + weight * divergence(logits_at(model, inputs, delta), clean)).backward()


@every_kind
@pytest.mark.parametrize("max_norm", [None, 0.25])
def test_freelb_is_the_papers_algorithm(task_class: type, max_norm: float | None) -> None:
    model, inputs = prepared(task_class)
    found = learned(model, composed(freelb(max_norm=max_norm)), inputs)
    ball = float("inf") if max_norm is None else max_norm * UNIT
    freelb_of_the_paper(model, inputs, steps=3, step_size=0.2 * UNIT, magnitude=0.3 * UNIT, max_norm=ball)
    expected = gradients(model)
    assert_same(found, expected)
    assert differ(expected, learned(model, plain, inputs))


@every_kind
@pytest.mark.parametrize(("steps", "epsilon"), [(1, None), (2, 0.06)])
def test_smart_is_the_papers_regulariser(task_class: type, steps: int, epsilon: float | None) -> None:
    model, inputs = prepared(task_class)
    found = learned(model, composed(smart(weight=3, steps=steps, epsilon=epsilon)), inputs)
    ball = float("inf") if epsilon is None else epsilon * UNIT
    smart_of_the_paper(model, inputs, weight=3, steps=steps, step_size=0.1 * UNIT, deviation=0.02 * UNIT, epsilon=ball)
    expected = gradients(model)
    assert_same(found, expected)
    assert differ(expected, learned(model, plain, inputs))


def test_lengths_in_the_models_own_units() -> None:
    model, inputs = prepared()
    found = learned(model, composed(freelb(relative=False, max_norm=0.25)), inputs)
    freelb_of_the_paper(model, inputs, steps=3, step_size=0.2, magnitude=0.3, max_norm=0.25)
    assert_same(found, gradients(model))
    found = learned(model, composed(smart(relative=False, epsilon=0.06)), inputs)
    smart_of_the_paper(model, inputs, weight=1, steps=1, step_size=0.1, deviation=0.02, epsilon=0.06)
    assert_same(found, gradients(model))


@every_kind
@pytest.mark.parametrize(
    "method", [freelb(steps=1, init_magnitude=0), smart(weight=0)], ids=["one pass from the embeddings", "weight 0"]
)
def test_without_effect_it_is_plain_training(task_class: type, method: Method) -> None:
    """With the dropout that plain training draws, too."""
    model, inputs = prepared(task_class)
    assert_same(learned(model.train(), composed(method), inputs), learned(model, plain, inputs), tolerance=1e-6)


def test_a_row_without_ordinary_tokens_is_left_alone() -> None:
    model, inputs = prepared()
    inputs.noise_mask[1] = 0
    for make in METHODS:
        for gradient in learned(model, composed(make()), inputs).values():
            assert torch.isfinite(gradient).all()
    freelb_of_the_paper(model, inputs, steps=3, step_size=0.4, magnitude=0.6, max_norm=float("inf"))
    assert_same(gradients(model), learned(model, composed(freelb()), inputs))


# --------------------------------------------------------------------------------------------------------- dropout


class Passes:
    """A forward that keeps whether its passes were local, and their logits."""

    def __init__(self, forward: Forward, made: list[tuple[bool, torch.Tensor]], is_local: bool = False) -> None:
        self._forward, self.made, self._is_local = forward, made, is_local

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        output = self._forward(batch, noise)
        self.made.append((self._is_local, output.logits.detach()))
        return output

    def shifted(self, offset: torch.Tensor) -> Passes:
        return Passes(self._forward.shifted(offset), self.made, self._is_local)

    def one_mask(self) -> Passes:
        return Passes(self._forward.one_mask(), self.made, self._is_local)

    def local(self) -> Passes:
        return Passes(self._forward.local(), self.made, True)


def passes(*methods: Method) -> list[tuple[bool, torch.Tensor]]:
    """(local, logits) of each pass of one step with dropout."""
    model, inputs = prepared()
    made: list[tuple[bool, torch.Tensor]] = []
    torch.manual_seed(5)
    composed(*methods)(Passes(ModelForward(model.train(), model, autocast=nullcontext), made), inputs)
    return made


TINY = {"step_size": 1e-7, "relative": False}
"""Offsets so small that only dropout can tell passes apart."""


def test_dropout_is_drawn_once_a_step() -> None:
    ((_, alone),) = passes()
    for method, local in (
        (freelb(init_magnitude=0, **TINY), [False, False, False]),
        (smart(noise=1e-7, steps=2, **TINY), [False, True, True, False]),
    ):
        made = passes(method)
        assert [is_local for is_local, _ in made] == local
        for _, logits in made:
            torch.testing.assert_close(logits, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "method", [freelb(init_magnitude=0, one_mask=False, **TINY), smart(noise=1e-7, one_mask=False, **TINY)]
)
def test_dropout_can_be_drawn_anew_in_every_pass(method: Method) -> None:
    (_, first), *others = passes(method)
    assert len(others) == 2
    for _, logits in others:
        assert not torch.allclose(logits, first, atol=1e-2)


# ----------------------------------------------------------------------------------------------------- compositions


def test_smart_looks_around_the_point_that_the_inner_objective_trains_at() -> None:
    """Noise and dropout of its last pass are those of the passes beside it; R-Drop inside still has two masks."""
    (_, clean), *beside = passes(RsRandom(RsRandom.Params(epsilon=1.0)), smart(noise=1e-7, **TINY))
    for _, logits in beside:
        torch.testing.assert_close(logits, clean, atol=1e-4, rtol=1e-4)

    (_, one), (_, other), *beside = passes(RDrop(RDrop.Params()), smart(noise=1e-7, **TINY))
    assert not torch.allclose(one, other, atol=1e-2)
    for _, logits in beside:
        torch.testing.assert_close(logits, other, atol=1e-4, rtol=1e-4)


def test_smart_looks_around_noise_that_is_given_to_a_pass_and_never_around_a_local_pass() -> None:
    def inner(forward: Forward, batch: Batch) -> torch.Tensor:
        loss = forward(batch, torch.linspace(-1, 1, HIDDEN).expand(batch.noise_shape())).loss
        forward.local()(batch)
        return loss

    model, inputs = prepared()
    made: list[tuple[bool, torch.Tensor]] = []
    objective = smart(noise=1e-7, **TINY).objective(inner, CONTEXT)
    objective(Passes(ModelForward(model, model, autocast=nullcontext), made), inputs)
    (_, noisy), (_, local), *beside = made
    assert not torch.allclose(noisy, local, atol=1e-2)
    for _, logits in beside:
        torch.testing.assert_close(logits, noisy, atol=1e-4, rtol=1e-4)


def test_smart_around_another_ascent_has_the_mask_of_that() -> None:
    made = passes(Adversarial(Adversarial.Params(epsilon=1e-7, relative=False)), smart(noise=1e-7, **TINY))
    assert [is_local for is_local, _ in made] == [True, False, True, False]
    for _, logits in made:
        torch.testing.assert_close(logits, made[0][1], atol=1e-4, rtol=1e-4)


def test_smart_inside_another_ascent_has_the_mask_of_that() -> None:
    made = passes(smart(noise=1e-7, **TINY), Adversarial(Adversarial.Params(epsilon=1e-7, relative=False, steps=2)))
    assert len(made) == 9
    for _, logits in made:
        torch.testing.assert_close(logits, made[0][1], atol=1e-4, rtol=1e-4)


def test_what_cannot_be_combined() -> None:
    adversarial, r_drop = Adversarial(Adversarial.Params()), RDrop(RDrop.Params())
    assert "take one" in (freelb().conflict(adversarial) or "")
    assert "one_mask=false" in (freelb().conflict(r_drop) or "")
    assert freelb(one_mask=False).conflict(r_drop) is None
    assert freelb().conflict(smart()) is None
    assert smart().conflict(adversarial) is None


# ------------------------------------------------------------------------------------------------ the engine around it


@pytest.mark.parametrize("make", METHODS)
def test_under_ddp_with_accumulation(tmp_path: Path, make: Callable[[], Method]) -> None:
    """Two micro-batches, of which the last one exchanges gradients."""
    import torch.distributed as dist

    model, inputs = prepared(TinyTokenTask)
    objective = composed(make())
    expected = {name: 2 * gradient for name, gradient in learned(model, objective, inputs).items()}
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
        exchanged: list[int] = []

        def exchange(state, bucket):  # DDP takes no annotation but its own, written out
            exchanged.append(bucket.index())
            done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
            done.set_result(bucket.buffer())
            return done

        wrapped.register_comm_hook(None, exchange)
        forward = ModelForward(wrapped, model, autocast=nullcontext)
        for context in (wrapped.no_sync(), nullcontext()):
            inputs.generator.manual_seed(0)
            with context:
                loss = objective(forward, inputs)
                assert not exchanged, "the gradient of the ascent is nobody else's"
                loss.backward()
        assert sorted(exchanged) == list(range(len(exchanged))) != [], "each bucket once"
    finally:
        dist.destroy_process_group()
    assert_same(gradients(model), expected)


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_with_gradient_checkpointing(make: Callable[[], Method]) -> None:
    model, inputs = prepared(TinyTokenTask)
    objective = composed(make())
    expected = learned(model.train(), objective, inputs)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(learned(model, objective, inputs), expected)


def test_freelb_in_bf16_is_near() -> None:
    model, inputs = prepared()
    objective = composed(freelb())
    expected = learned(model, objective, inputs)
    found = learned(model, objective, inputs, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    for name, gradient in expected.items():
        assert (found[name].float() - gradient).norm() <= 0.1 * gradient.norm() + 1e-2, name


@pytest.mark.parametrize(
    ("params", "values"),
    [
        (FreeLB.Params, {"steps": 0}),
        (FreeLB.Params, {"step_size": 0}),
        (FreeLB.Params, {"init_magnitude": -1}),
        (FreeLB.Params, {"max_norm": 0}),
        (Smart.Params, {"weight": -1}),
        (Smart.Params, {"steps": 0}),
        (Smart.Params, {"noise": 0}),
        (Smart.Params, {"epsilon": 0}),
    ],
)
def test_parameters_are_checked(params: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**values)
