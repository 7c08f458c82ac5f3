"""adversarial and rs_random: on losses whose worst case and mean are known, and on a real architecture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_encoders import ARCHITECTURES, TinySequenceTask, TinyTokenTask, batch, checkpoint

from xrobust.contracts import Batch, Forward, Method, ModelContext, Objective, Output
from xrobust.contracts.noise import Norm
from xrobust.engine.forward import ModelForward
from xrobust.models.pretrained import load_encoder
from xrobust_methods.adversarial import Adversarial
from xrobust_methods.rs_random import RsRandom

ROWS, LENGTH, DIM = 2, 3, 5
UNIT = 2.0
CONTEXT = ModelContext(task=TinySequenceTask(), seed=0, modules_to_save=frozenset(), embedding_norm=UNIT)
NORMS: tuple[Norm, ...] = ("l2", "linf")


class Toy:
    """A forward whose loss is a function of the offset alone; it keeps the offsets that it was called with."""

    def __init__(self, loss: Any, calls: list[tuple[bool, torch.Tensor]], offset: Any = 0.0, is_local: bool = False):
        self._loss, self.calls, self._offset, self._is_local = loss, calls, offset, is_local

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        offset = (self._offset + (0.0 if noise is None else noise)) * batch.noise_mask
        self.calls.append((self._is_local, offset.detach().clone()))
        return Output(self._loss(offset), torch.zeros(ROWS, 2))

    def shifted(self, offset: torch.Tensor) -> Toy:
        return Toy(self._loss, self.calls, self._offset + offset, self._is_local)

    def one_mask(self) -> Toy:
        return self

    def local(self) -> Toy:
        return Toy(self._loss, self.calls, self._offset, True)


def plain(forward: Forward, batch: Batch) -> torch.Tensor:
    return forward(batch).loss


def composed(*methods: Method) -> Objective:
    """As the engine does it: of several methods the rightmost is outermost."""
    objective: Objective = plain
    for method in methods:
        objective = method.objective(objective, CONTEXT)
    return objective


def toy_batch(masked: Sequence[tuple[int, int]] = ((1, 2),), seed: int = 0) -> Batch:
    mask = torch.ones(ROWS, LENGTH, 1)
    for row, token in masked:
        mask[row, token] = 0
    return Batch({}, torch.zeros(ROWS), mask, torch.Generator().manual_seed(seed), DIM)


WEIGHTS = torch.randn(ROWS, LENGTH, DIM, generator=torch.Generator().manual_seed(3))


def linear(offset: torch.Tensor) -> torch.Tensor:
    return (WEIGHTS * offset).sum()


def size(offset: torch.Tensor, norm: Norm) -> torch.Tensor:
    return torch.linalg.vector_norm(offset, ord=2 if norm == "l2" else math.inf, dim=-1)


# ------------------------------------------------------------------------------------------------------ adversarial


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("init", ["zero", "uniform"])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_worst_case_of_a_linear_loss_is_reached(norm: Norm, init: Any, steps: int) -> None:
    params = Adversarial.Params(epsilon=0.3, norm=norm, init=init, steps=steps, step_size=0.6)
    toy = Toy(linear, [])
    found = composed(Adversarial(params))(toy, toy_batch())
    mask = toy_batch().noise_mask.squeeze(-1)
    dual = WEIGHTS.norm(dim=-1) if norm == "l2" else WEIGHTS.abs().sum(-1)
    # From a start elsewhere an l2 step does not lead to the very point, but each further one comes nearer.
    tolerance = 1e-5 if norm == "linf" or init == "zero" else 0.1 if steps == 1 else 1e-2
    assert found.item() == pytest.approx((0.3 * UNIT * dual * mask).sum().item(), rel=tolerance)
    assert [is_local for is_local, _ in toy.calls] == [True] * steps + [False]


@pytest.mark.parametrize("norm", NORMS)
def test_offsets_never_leave_the_ball_or_touch_masked_tokens(norm: Norm) -> None:
    params = Adversarial.Params(epsilon=0.3, norm=norm, steps=5, step_size=0.2, init="uniform")
    toy = Toy(lambda d: (d.sin() * WEIGHTS).sum(), [])
    composed(Adversarial(params))(toy, toy_batch())
    for _, offset in toy.calls:
        assert size(offset, norm).max() <= 0.3 * UNIT * (1 + 1e-5)
        assert torch.equal(offset[1, 2], torch.zeros(DIM))
    assert size(toy.calls[0][1], norm).max() > 0  # a uniform start


def test_the_default_step_reaches_the_border_from_anywhere() -> None:
    for steps in (1, 2, 10):
        toy = Toy(linear, [])
        composed(Adversarial(Adversarial.Params(epsilon=0.3, steps=steps)))(toy, toy_batch(masked=()))
        lengths = toy.calls[-1][1].norm(dim=-1)
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.3 * UNIT))


def test_an_absolute_radius_is_in_the_models_own_units() -> None:
    toy = Toy(linear, [])
    params = Adversarial.Params(epsilon=0.3, relative=False, init="zero", steps=1)
    composed(Adversarial(params))(toy, toy_batch())
    assert toy.calls[-1][1].norm(dim=-1).max().item() == pytest.approx(0.3)


def test_a_step_is_in_the_unit_of_epsilon() -> None:
    for relative, unit in ((True, UNIT), (False, 1.0)):
        toy = Toy(linear, [])
        params = Adversarial.Params(epsilon=0.3, relative=relative, init="zero", steps=1, step_size=0.1)
        composed(Adversarial(params))(toy, toy_batch())
        assert toy.calls[-1][1].norm(dim=-1).max().item() == pytest.approx(0.1 * unit)


def test_a_token_that_does_not_matter_stays_where_it_is() -> None:
    weights = WEIGHTS.clone()
    weights[0, 0] = 0
    toy = Toy(lambda d: (weights * d).sum(), [])
    found = composed(Adversarial(Adversarial.Params(init="zero")))(toy, toy_batch())
    assert torch.equal(toy.calls[-1][1][0, 0], torch.zeros(DIM))
    assert torch.isfinite(found)


# -------------------------------------------------------------------------------------------------------- rs_random


@pytest.mark.parametrize("distribution", ["uniform", "gaussian"])
def test_the_loss_is_the_mean_over_the_draws(distribution: Any) -> None:
    params = RsRandom.Params(epsilon=0.3, samples=4, distribution=distribution)
    toy = Toy(lambda d: d.square().sum(), [])
    found = composed(RsRandom(params))(toy, toy_batch())
    offsets = [offset for _, offset in toy.calls]
    assert len(offsets) == 4
    assert not torch.equal(offsets[0], offsets[1])
    assert found.item() == pytest.approx(sum(o.square().sum().item() for o in offsets) / 4, rel=1e-5)
    assert not any(is_local for is_local, _ in toy.calls)


def test_the_mean_square_of_the_noise_is_what_the_radius_says() -> None:
    tokens = ROWS * LENGTH - 1
    for distribution, expected in (("gaussian", 1.0), ("uniform", DIM / (DIM + 2))):
        params = RsRandom.Params(epsilon=0.3, samples=100, distribution=distribution)
        objective = composed(RsRandom(params))
        found = [
            objective(Toy(lambda d: d.square().sum(), []), toy_batch(seed=seed)).item() / tokens for seed in range(20)
        ]
        assert sum(found) / len(found) == pytest.approx(expected * (0.3 * UNIT) ** 2, rel=0.03)


def test_draws_depend_on_the_batchs_generator() -> None:
    def offsets(seed: int) -> torch.Tensor:
        toy = Toy(linear, [])
        composed(RsRandom(RsRandom.Params()))(toy, toy_batch(seed=seed))
        return toy.calls[0][1]

    assert torch.equal(offsets(0), offsets(0))
    assert not torch.equal(offsets(0), offsets(1))


# ------------------------------------------------------------------------------------------------------ composition


def test_the_rightmost_objective_is_outermost() -> None:
    ascent = Adversarial(Adversarial.Params(epsilon=0.3, init="zero", steps=1))
    noise = RsRandom(RsRandom.Params(epsilon=0.1))
    worst = 0.3 * UNIT * WEIGHTS / WEIGHTS.norm(dim=-1, keepdim=True) * toy_batch().noise_mask

    toy = Toy(linear, [])  # E_delta[max ...]: one draw, held while the worst offset around it is looked for
    composed(ascent, noise)(toy, toy_batch())
    (_, looking), (_, final) = toy.calls
    torch.testing.assert_close(final - looking, worst)

    toy = Toy(linear, [])  # max E_delta[...]: each look at the loss draws anew
    composed(noise, ascent)(toy, toy_batch())
    (_, looking), (_, final) = toy.calls
    drawn = final - worst
    assert not torch.allclose(drawn, looking)
    assert size(drawn, "l2").max() <= 0.1 * UNIT * (1 + 1e-5)
    assert size(drawn, "l2").max() > 0


def test_a_random_inner_objective_is_drawn_anew_at_each_step() -> None:
    toy = Toy(linear, [])
    composed(RsRandom(RsRandom.Params(samples=2)), Adversarial(Adversarial.Params(steps=3)))(toy, toy_batch())
    assert [is_local for is_local, _ in toy.calls] == [True] * 6 + [False] * 2


# --------------------------------------------------------------------------------------------------- a real encoder


@pytest.mark.parametrize("task_class", [TinySequenceTask, TinyTokenTask])
def test_on_an_encoder(task_class: type) -> None:
    task = task_class()
    encoder = load_encoder(task.kind, str(checkpoint("xlm-roberta")), revision=None, seed=0)
    model = encoder.model.eval()  # no dropout, so that losses can be compared
    forward = ModelForward(model, model, autocast=nullcontext)
    context = ModelContext(task, 0, encoder.modules_to_save, encoder.embedding_norm())
    params = {"epsilon": 0.2}
    adversarial = Adversarial(Adversarial.Params(**params, steps=5)).objective(plain, context)
    random = RsRandom(RsRandom.Params(**params, samples=20)).objective(plain, context)
    with torch.no_grad():
        clean = forward(batch(task, encoder.tokenizer)).loss
        mean = random(forward, batch(task, encoder.tokenizer))

    worst = adversarial(forward, batch(task, encoder.tokenizer))
    assert worst > clean * 1.05
    assert worst > mean
    assert abs(mean - clean) < worst - clean
    # The ascent touches no parameter; the one step after it does.
    assert all(p.grad is None for p in model.parameters())
    worst.backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "pooler" not in name)


class Passes:
    """A forward that keeps the logits of its passes."""

    def __init__(self, forward: Forward, logits: list[torch.Tensor]) -> None:
        self._forward, self.logits = forward, logits

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        output = self._forward(batch, noise)
        self.logits.append(output.logits.detach())
        return output

    def shifted(self, offset: torch.Tensor) -> Passes:
        return Passes(self._forward.shifted(offset), self.logits)

    def one_mask(self) -> Passes:
        return Passes(self._forward.one_mask(), self.logits)

    def local(self) -> Passes:
        return Passes(self._forward.local(), self.logits)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dropout_is_drawn_once_for_the_ascent_and_the_descent(architecture: str) -> None:
    task = TinySequenceTask()
    encoder = load_encoder(task.kind, str(checkpoint(architecture)), revision=None, seed=0)
    model = encoder.model.train()
    forward = ModelForward(model, model, autocast=nullcontext)
    context = ModelContext(task, 0, encoder.modules_to_save, encoder.embedding_norm())
    inputs = batch(task, encoder.tokenizer)

    def logits(objective: Objective) -> list[torch.Tensor]:
        torch.manual_seed(5)
        passes = Passes(forward, [])
        objective(passes, inputs)
        return passes.logits

    def adversarial(**params: Any) -> Objective:
        return Adversarial(Adversarial.Params(epsilon=1e-7, steps=2, **params)).objective(plain, context)

    (alone,) = logits(plain)
    # In so small a ball only the dropout can tell passes apart.
    kept = logits(adversarial())
    assert len(kept) == 3
    for found in kept:
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)
    fresh = logits(adversarial(one_mask=False))
    assert not torch.allclose(fresh[0], fresh[-1], atol=1e-2)

    # A method around it that asks for two draws gets two.
    def twice(forward: Forward, batch: Batch) -> torch.Tensor:
        inner = adversarial()
        return inner(forward, batch) + inner(forward, batch)

    both = logits(twice)
    torch.testing.assert_close(both[3], both[5], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(both[0], both[3], atol=1e-2)


@pytest.mark.parametrize(
    ("params", "values"),
    [
        (Adversarial.Params, {"epsilon": 0}),
        (Adversarial.Params, {"steps": 0}),
        (Adversarial.Params, {"step_size": -1}),
        (Adversarial.Params, {"norm": "l1"}),
        (Adversarial.Params, {"epsilom": 1}),
        (RsRandom.Params, {"samples": 0}),
        (RsRandom.Params, {"distribution": "normal"}),
    ],
)
def test_parameters_are_checked(params: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**values)
