"""The forward pass with embedding noise, on five architectures, against the models' own `inputs_embeds`."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_encoders import (
    ARCHITECTURES,
    HIDDEN,
    TinyChoiceTask,
    TinySequenceTask,
    TinyTokenTask,
    batch,
    checkpoint,
)

from xrobust.engine.forward import ModelForward
from xrobust.models.pretrained import load_encoder

TASKS = (TinySequenceTask, TinyTokenTask, TinyChoiceTask)
every_model = pytest.mark.parametrize("task_class", TASKS)
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def prepared(architecture: str, task_class: type) -> tuple[Any, Any, ModelForward]:
    """A model in eval mode, its batch, and the forward."""
    task = task_class()
    encoder = load_encoder(task.kind, str(checkpoint(architecture)), revision=None, seed=0)
    model = encoder.model.eval()
    return model, batch(task, encoder.tokenizer), ModelForward(model, model, autocast=nullcontext)


def noise_for(b: Any, scale: float = 0.3) -> torch.Tensor:
    return torch.randn(b.noise_shape(), generator=torch.Generator().manual_seed(5)) * scale


@every_architecture
@every_model
def test_without_noise_it_is_the_model(architecture: str, task_class: type) -> None:
    model, b, forward = prepared(architecture, task_class)
    bare = model(**b.inputs).logits
    assert torch.equal(forward(b).logits, bare)
    assert torch.equal(forward(b, torch.zeros(b.noise_shape())).logits, bare)
    assert forward.embedding_dim == HIDDEN


@every_architecture
@every_model
def test_noise_is_an_offset_of_the_input_embeddings(architecture: str, task_class: type) -> None:
    model, b, forward = prepared(architecture, task_class)
    noise = noise_for(b)
    inputs = dict(b.inputs)
    ids = inputs.pop("input_ids")
    embedded = model.get_input_embeddings()(ids) + (noise * b.noise_mask).view(*ids.shape, HIDDEN)
    expected = model(inputs_embeds=embedded, **inputs).logits
    found = forward(b, noise).logits
    real = b.labels != -100 if task_class is TinyTokenTask else slice(None)
    torch.testing.assert_close(found[real], expected[real], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, forward(b).logits, atol=1e-3)


@every_architecture
@every_model
def test_padding_and_special_tokens_are_never_changed(architecture: str, task_class: type) -> None:
    model, b, forward = prepared(architecture, task_class)
    seen: list[torch.Tensor] = []
    model.get_input_embeddings().register_forward_hook(lambda layer, args, output: seen.append(output.detach()))
    noise = noise_for(b)
    forward(b)
    forward(b, noise)
    change = (seen[1] - seen[0]).view(b.noise_shape())
    ordinary = b.noise_mask.squeeze(-1).bool()
    assert 0 < ordinary.sum() < ordinary.numel()
    assert torch.equal(change[~ordinary], torch.zeros_like(change[~ordinary]))
    torch.testing.assert_close(change[ordinary], noise[ordinary], atol=1e-6, rtol=1e-5)


@every_architecture
@every_model
def test_gradient_of_the_offset_is_that_of_finite_differences(architecture: str, task_class: type) -> None:
    model, b, forward = prepared(architecture, task_class)
    offset = noise_for(b).requires_grad_()
    (gradient,) = torch.autograd.grad(forward.local().shifted(offset)(b).loss, offset)
    assert torch.equal(gradient * (1 - b.noise_mask), torch.zeros_like(gradient))
    direction = gradient / gradient.norm()
    step = 1e-2
    with torch.no_grad():
        above, below = (forward(b, offset + sign * step * direction).loss for sign in (1, -1))
    torch.testing.assert_close((above - below) / (2 * step), gradient.norm(), rtol=2e-2, atol=1e-3)
    assert all(p.grad is None for p in model.parameters())


def test_shifts_add_up_and_leave_the_original_alone() -> None:
    _, b, forward = prepared("bert", TinySequenceTask)
    clean = forward(b).logits
    one, two, three = (noise_for(b) * k for k in (1.0, -0.5, 0.25))
    shifted = forward.shifted(one).shifted(two)
    torch.testing.assert_close(shifted(b, three).logits, forward(b, one + two + three).logits)
    torch.testing.assert_close(shifted.local()(b).logits, forward(b, one + two).logits)
    assert torch.equal(forward(b).logits, clean)


def test_a_forward_with_one_draw_of_dropout_keeps_it() -> None:
    model, b, forward = prepared("bert", TinySequenceTask)
    model.train()
    kept = forward.one_mask()
    first = kept(b).logits
    assert not torch.allclose(forward(b).logits, first, atol=1e-2)
    assert torch.equal(kept.one_mask()(b).logits, first)
    assert torch.equal(kept.local().one_mask().shifted(torch.zeros(b.noise_shape()))(b).logits, first)


def test_an_error_in_a_pass_leaves_no_noise_behind() -> None:
    _, b, forward = prepared("bert", TinySequenceTask)
    clean = forward(b).logits
    good = b.inputs["input_ids"]
    b.inputs["input_ids"] = good + 10_000
    with pytest.raises(IndexError):
        forward(b, noise_for(b))
    b.inputs["input_ids"] = good
    assert torch.equal(forward(b).logits, clean)


def test_close_removes_the_hook() -> None:
    model, b, forward = prepared("bert", TinySequenceTask)
    clean = forward(b).logits
    forward.close()
    assert torch.equal(forward(b, noise_for(b)).logits, clean)
    assert not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("task_class", TASKS)
def test_loss_is_summed_over_labelled_items(task_class: type) -> None:
    _, b, forward = prepared("xlm-roberta", task_class)
    output = forward(b)
    chances = output.logits.double().softmax(-1)
    if task_class is TinyTokenTask:
        expected = sum(
            -chances[i, j, b.labels[i, j]].log().item()
            for i in range(b.labels.shape[0])
            for j in range(b.labels.shape[1])
            if b.labels[i, j] != -100
        )
    else:
        expected = sum(-chances[i, label].log().item() for i, label in enumerate(b.labels))
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)


def test_logits_are_float32_under_autocast() -> None:
    model, b, _ = prepared("bert", TinySequenceTask)
    opened = []

    @contextmanager
    def autocast() -> Any:
        opened.append(True)
        with torch.autocast("cpu", torch.bfloat16):
            yield

    output = ModelForward(model, model, autocast=autocast)(b, noise_for(b))
    assert opened
    assert output.logits.dtype == output.loss.dtype == torch.float32
    assert model(**b.inputs).logits.dtype == torch.float32


@every_architecture
def test_gradient_checkpointing_sees_the_same_noise(architecture: str) -> None:
    model, b, forward = prepared(architecture, TinySequenceTask)
    noise = noise_for(b)
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.train()
            for module in model.modules():  # train mode is what switches checkpointing on; dropout would differ
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
                for name in ("dropout_prob", "attention_dropout"):
                    if isinstance(getattr(module, name, None), float):
                        setattr(module, name, 0.0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                model.gradient_checkpointing_enable({"use_reentrant": False})
        offset = noise.clone().requires_grad_()
        model.zero_grad()
        forward.shifted(offset)(b).loss.backward()
        gradients.append([offset.grad, *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(gradients[0]) == len(gradients[1])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, atol=1e-5, rtol=1e-4)


@every_architecture
@pytest.mark.parametrize("embeddings_too", [False, True])
def test_under_peft(architecture: str, embeddings_too: bool) -> None:
    from peft import LoraConfig, get_peft_model

    model, b, forward = prepared(architecture, TinySequenceTask)
    expected = forward(b, noise_for(b)).logits
    forward.close()
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    linear = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "classifier" not in n]
    # The update is zero at the start, so the wrapped model is the same function.
    wrapped = get_peft_model(model, LoraConfig(target_modules=[*linear, *([name] if embeddings_too else [])]))
    found = ModelForward(wrapped, wrapped, autocast=nullcontext)
    torch.testing.assert_close(found(b, noise_for(b)).logits, expected)
    assert found.embedding_dim == HIDDEN


def test_under_ddp(tmp_path: Path) -> None:
    import torch.distributed as dist

    model, b, forward = prepared("xlm-roberta", TinyTokenTask)
    noise = noise_for(b)
    forward(b, noise).loss.backward()
    single = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    expected = forward(b, noise).logits.detach()
    model.zero_grad()
    forward.close()
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
        found = ModelForward(wrapped, model, autocast=nullcontext)
        offset = noise.clone().requires_grad_()
        torch.autograd.grad(found.local().shifted(offset)(b).loss, offset)
        assert all(p.grad is None for p in model.parameters())
        # Two passes before one backward pass, as when several draws of noise are averaged.
        (found(b, noise).loss + found.shifted(noise)(b).loss).backward()
        assert torch.equal(found(b, noise).logits, expected)
    finally:
        dist.destroy_process_group()
    doubled = [p.grad for p in model.parameters() if p.grad is not None]
    for twice, once in zip(doubled, single, strict=True):
        torch.testing.assert_close(twice, 2 * once, atol=1e-5, rtol=1e-4)
