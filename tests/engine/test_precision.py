"""Half precision: said to be slow on a processor that only imitates it, and without cuDNN's attention on a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from xrobust.engine.accelerator import accelerator, emulated_precision


@pytest.mark.parametrize(
    ("precision", "capabilities", "said"),
    [
        ("fp32", {"architecture": "x86_64"}, False),
        ("bf16", {"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}, True),
        ("bf16", {"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, False),
        ("bf16", {"architecture": "aarch64"}, False),
    ],
)
def test_a_processor_without_the_instructions(
    precision: str, capabilities: dict[str, Any], said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    accelerate = accelerator(precision)
    warning = emulated_precision(accelerate)
    assert (warning is not None) == (said and accelerate.device.type == "cpu")
    assert warning is None or "no bf16 instructions: --precision bf16 is several times slower than fp32" in warning


def test_attention_that_is_prepared_for_each_shape_is_off() -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    accelerator("bf16")
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled() and torch.backends.cuda.flash_sdp_enabled()
