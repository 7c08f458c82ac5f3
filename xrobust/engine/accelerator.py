"""Accelerate's state of a process: devices, precision, and a check that all processes share the run's folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.runtime.processes import require_gpus

PATIENCE = 60.0
"""Seconds until a file that another node wrote must be seen: file systems of clusters cache the absence of a file for
as long (NFS: `acdirmax`)."""

PRECISION = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def accelerator(precision: str) -> Any:
    """A fresh `accelerate.Accelerator`.

    Buffers are not broadcast before each forward pass: encoders have none that training changes, and a broadcast in
    place would break objectives that go through the model several times before one backward pass. cuDNN's attention
    is turned off in this process.

    Raises UserError where sharding (FSDP, DeepSpeed) was asked for, or a launcher started more processes than GPUs.
    """
    import torch
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState
    from accelerate.utils import parse_flag_from_env

    if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        raise UserError(
            "DeepSpeed was asked for, and training with it is not supported: start it without --use_deepspeed "
            "(ACCELERATE_USE_DEEPSPEED)"
        )
    require_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    # Accelerate keeps one precision a process; a second run in the same process may want another.
    AcceleratorState._reset_state(reset_partial_state=False)
    fresh = Accelerator(
        mixed_precision=PRECISION[precision],
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    _refuse_sharding(fresh)
    # torch prefers cuDNN's attention in half precision, which takes a tenth of a second to prepare for each new shape
    # of a batch: batches that are padded to their longest example have many (docs/performance.md).
    torch.backends.cuda.enable_cudnn_sdp(False)
    return fresh


def _refuse_sharding(accelerator: Any) -> None:
    """Raises UserError where parameters were to be sharded: Accelerate does it on GPUs alone, without a word."""
    from accelerate.utils import DistributedType, parse_flag_from_env

    if not parse_flag_from_env("ACCELERATE_USE_FSDP"):
        return
    instead = "start it without --use_fsdp (ACCELERATE_USE_FSDP); --set gradient_checkpointing=true saves memory too"
    if accelerator.distributed_type != DistributedType.FSDP:
        raise UserError(
            "FSDP was asked for, and Accelerate does not shard here: it needs a GPU for each process, and this is "
            f"{accelerator.device.type} with {accelerator.num_processes} (distributed type "
            f"{accelerator.distributed_type.value}): {instead}"
        )
    raise UserError(f"FSDP was asked for, and training with sharded parameters is not supported yet: {instead}")


def check_shared(path: Path, accelerator: Any) -> None:
    """Waits for all processes, and for each to see `path`, which the main process has written.

    Raises UserError, on all of them, where one does not: nodes exchange weights and documents through the run's folder.
    """
    import torch

    accelerator.wait_for_everyone()
    until = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.5)
    seen = accelerator.gather(torch.tensor([int(path.exists())], device=accelerator.device)).tolist()
    if not all(seen):
        blind = ", ".join(str(rank) for rank, sees in enumerate(seen) if not sees)
        raise UserError(
            f"{path.parent}: process {blind} does not see what the main process wrote there: on several nodes --output "
            "has to be a folder, by the same path, on a file system that they share"
        )


def emulated_precision(accelerate: Any) -> str | None:
    """A warning if the processor has no instructions for the requested precision, which is then slower than fp32."""
    import torch

    needed = {"bf16": ("avx512_bf16", "amx_bf16"), "fp16": ("avx512_fp16", "amx_fp16")}.get(accelerate.mixed_precision)
    if needed is None or accelerate.device.type != "cpu":
        return None
    has = torch.cpu.get_capabilities()
    if has.get("architecture") != "x86_64" or any(has.get(name) for name in needed):
        return None
    precision = accelerate.mixed_precision
    return f"this processor has no {precision} instructions: --precision {precision} is several times slower than fp32"
