"""What does not fit into memory: smaller micro-batches, smaller parts of a batch, activations computed twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from xrobust import RunSpec, run
from xrobust.engine.memory import OutOfMemorySplitter, measure_peak, on_device, peak_memory
from xrobust.errors import RunError, UserError
from xrobust.results.schema import RunResult
from xrobust.training import loop
from xrobust.training.micro_batches import MicroBatcher

PLUGIN = """
from pydantic import Field

import torch

from xrobust.contracts import Method, MethodInfo, Parameters


class Scarce(Method):
    '''Fine-tuning with noise on a device that holds so many inputs, of so many pieces.'''

    info = MethodInfo(name="scarce", summary="a device with little memory")

    class Params(Parameters):
        inputs: int = Field(default=1000, description="that fit at a time")
        pieces: int = Field(default=1000, description="an input may have, where there are more inputs than that")

    def objective(self, inner, ctx):
        def objective(forward, batch):
            rows, length = batch.inputs["input_ids"].shape
            noise = torch.randn(batch.noise_shape(), generator=batch.generator, device=batch.labels.device) * 0.1
            loss = inner(forward.shifted(noise), batch)
            if rows > self.params.inputs and length > self.params.pieces:
                loss.backward()  # what was accumulated by then must not count
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return loss

        return objective
"""

Train = Callable[..., tuple[RunResult, dict[str, torch.Tensor]]]


@pytest.fixture
def trained(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> Train:
    """Trains, with dropout and noise; the document and the weights."""
    (tmp_path / "scarce.py").write_text(PLUGIN)

    def trained(method: str = "scarce", steps: int = 8, **settings: Any) -> tuple[RunResult, dict[str, torch.Tensor]]:
        output = tmp_path / f"runs-{len(list(tmp_path.iterdir()))}"
        result = run(
            RunSpec(
                task="pos",
                method=method,
                model=str(tiny_model),
                data_dir=tiny_data,
                output=output,
                languages=("de",),
                training={"batch_size": 8, "learning_rate": 5e-3, "max_steps": steps},
                plugins=(tmp_path / "scarce.py",),
                **settings,
            )
        )
        (weights,) = output.rglob("model/*.safetensors")
        return result, load_file(weights)

    return trained


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_step_that_runs_out_of_memory_is_done_again_with_less_at_a_time(
    trained: Train, caplog: pytest.LogCaptureFixture
) -> None:
    result, found = trained(method_params={"inputs": 3, "pieces": 0})
    by_hand, weights = trained(micro_batch_size=2)
    assert equal(found, weights)
    assert result.training is not None and by_hand.training is not None
    assert result.training.micro_batch_size == 2
    assert by_hand.training.micro_batch_size is None, "nothing was reduced"
    assert [point.loss for point in result.training.curve] == [point.loss for point in by_hand.training.curve]
    assert [record.getMessage() for record in caplog.records if "out of memory" in record.getMessage()] == [
        "out of memory with 8 model inputs at a time: going on with 4; the batch of an optimiser step stays 8",
        "out of memory with 4 model inputs at a time: going on with 2; the batch of an optimiser step stays 8",
    ]


def test_the_longest_batch_is_tried_before_the_first_step(trained: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes would wait for one that fails in the middle: here one process, made to begin in the same way."""
    # Eleven pieces are the longest sentences of all: the first steps, done without, see none of them.
    scarce = {"inputs": 4, "pieces": 10}
    late, other = trained(method_params=scarce)
    assert late.training is not None and late.training.micro_batch_size == 4
    monkeypatch.setattr(loop, "MicroBatcher", partial(MicroBatcher, probes=True))
    result, found = trained(method_params=scarce)
    _, weights = trained(micro_batch_size=4)
    assert equal(found, weights), "all steps were done with what the longest batch needs, and it changed no weight"
    assert not equal(other, weights), "else the first step was one of those"
    assert result.training is not None and result.training.micro_batch_size == 4


@pytest.mark.parametrize("probes", [False, True])
def test_a_single_input_that_does_not_fit(trained: Train, monkeypatch: pytest.MonkeyPatch, probes: bool) -> None:
    monkeypatch.setattr(loop, "MicroBatcher", partial(MicroBatcher, probes=probes))
    with pytest.raises(RunError, match="out of memory with a single model input: a smaller"):
        trained(method_params={"inputs": 0, "pieces": 0})


def test_no_memory_for_the_state_of_the_optimiser(trained: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made in the first step, when the gradients fitted."""

    def step(self: torch.optim.Optimizer, closure: object = None) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(RunError, match=r"^out of memory with the state of the optimiser, "):
        trained()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "^out of memory with the model: "),
        (RuntimeError("Expected all tensors to be on the same device"), "^Expected all tensors"),
    ],
)
def test_a_model_that_does_not_fit(error: RuntimeError, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def to(self: torch.nn.Module, device: torch.device) -> None:
        raise error

    monkeypatch.setattr(torch.nn.Module, "to", to)
    with pytest.raises((RunError, RuntimeError), match=said) as raised:
        on_device(torch.nn.Linear(2, 2), torch.device("cuda"))
    assert isinstance(raised.value, RunError) == said.startswith("^out of memory")


def test_the_peak_of_a_run_is_not_that_of_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that counts as torch does: the peak since it was reset, and what is held now."""
    counted = {"now": 5, "peak": 90}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: counted.update(peak=counted["now"]))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: counted["peak"])
    gpu = torch.device("cuda", 0)
    assert peak_memory(gpu) == 90
    measure_peak(gpu)
    assert peak_memory(gpu) == 5
    measure_peak(torch.device("cpu"))
    assert peak_memory(torch.device("cpu")) > 2**20


def test_parts_of_a_batch_are_computed_one_after_the_other() -> None:
    calls: list[int] = []

    def compute(items: list[int]) -> list[int]:
        calls.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [-item for item in items]

    parts = OutOfMemorySplitter(compute, cost=lambda items: 10 * len(items))
    assert parts(list(range(8))) == [-item for item in range(8)]
    assert calls == [8, 4, 2, 2, 2, 2]
    calls.clear()
    assert parts([5, 6, 7]) == [-5, -6, -7]
    assert calls == [1, 2], "what is larger than what fitted is not tried"


def test_other_errors_than_memory_are_not_hidden() -> None:
    def compute(items: list[int]) -> list[int]:
        if items == [1]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        OutOfMemorySplitter(compute, cost=len)([1, 2, 3])
    with pytest.raises(RunError, match="single model input"):
        OutOfMemorySplitter(compute, cost=len)([1])


@pytest.mark.parametrize("method", ["vanilla", "lora", "adversarial", "rs_random+adapter"])
def test_gradient_checkpointing_changes_no_weight(trained: Train, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, whose masks must be drawn alike when a layer is computed again."""
    from transformers.models.bert.modeling_bert import BertSelfAttention

    calls = 0
    forward = BertSelfAttention.forward

    def counted(layer: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += layer.training
        return forward(layer, *arguments, **more)

    monkeypatch.setattr(BertSelfAttention, "forward", counted)
    without, weights = trained(method, steps=3)
    once, calls = calls, 0
    result, found = trained(method, steps=3, gradient_checkpointing=True)
    assert calls == 2 * once > 0, "every layer was computed again"
    assert equal(weights, found)
    assert result.run_id == without.run_id
    assert (without.environment.gradient_checkpointing, result.environment.gradient_checkpointing) == (False, True)


def test_an_architecture_without_gradient_checkpointing(
    trained: Train, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import BertForTokenClassification

    monkeypatch.setattr(BertForTokenClassification, "supports_gradient_checkpointing", False)
    with pytest.raises(UserError) as error:
        trained(gradient_checkpointing=True)
    ours = f"model '{tiny_model}' does not go with gradient_checkpointing: BertForTokenClassification does not support "
    assert str(error.value).startswith(ours)
    assert not list(tmp_path.rglob("result.json")), "nothing was written"
