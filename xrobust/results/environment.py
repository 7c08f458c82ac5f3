"""Environment of a run for the result document: packages, machine and processes."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xrobust.config.run_spec import RunSpec
from xrobust.registry import bundles
from xrobust.results.sections import Environment, Local

PACKAGES = (
    "xrobust",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "accelerate",
    "datasets",
    "seqeval",
    "numpy",
)


def environment(request: RunSpec, origins: Mapping[str, str], code: Mapping[str, str], accelerator: Any) -> Environment:
    """The environment section of a run that is about to begin; `origins` and `code` are of each plugin."""
    import torch

    device = accelerator.device
    return Environment(
        packages={name: installed for name in PACKAGES if (installed := _version(name)) is not None},
        plugins=dict(origins),
        plugin_code=dict(code),
        python=platform.python_version(),
        platform=platform.platform(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {os.cpu_count()} cores",
        processor=processor(),
        world_size=accelerator.num_processes,
        threads=torch.get_num_threads(),
        precision=request.precision,
        git_commit=git_commit(),
        micro_batch_size=request.micro_batch_size,
        gradient_checkpointing=request.gradient_checkpointing,
    )


def local(request: RunSpec, method_files: Mapping[str, Mapping[str, Path]]) -> Local:
    """The section with the paths of this machine; `method_files` is {method: {name of a file: path}}."""
    return Local(
        model_path=_place(request.model, "models"),
        data_dir=None if request.data_dir is None else _place(str(request.data_dir), "data"),
        plugin_files=[str(path.resolve()) for path in request.plugins],
        method_files={m: {k: str(p) for k, p in paths.items()} for m, paths in method_files.items() if paths},
    )


def processor() -> str:
    """The processor's type and the vector instructions that torch uses, on which the last bits of weights depend."""
    import torch

    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _place(name: str, kind: bundles.AssetType) -> str:
    """The name of something bundled, or on the hub, as it is; else an absolute path."""
    path = Path(name).expanduser()
    return str(path.resolve()) if name not in bundles.assets(kind) and path.exists() else name


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """The commit of the checkout that xrobust was imported from, with `+dirty` for uncommitted changes, or None."""
    package = Path(__file__).resolve().parents[1]
    root = package.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+dirty" if changes else commit


def _computes_on(environment: Environment) -> str | None:
    """The GPU that a training computes on, or the processor, without its number of cores, which changes no bit; None
    where an older document does not have it."""
    return environment.processor if environment.device.startswith("cpu") else environment.device


def resume_warnings(before: Environment, here: Environment) -> list[str]:
    """Warnings of differences that make resumed training yield other weights than training that was not stopped."""
    tail = "from those of a run that was not stopped"
    warnings = []
    now, then = _computes_on(here), _computes_on(before)
    if now and then and now != then:
        warnings.append(f"resumed on {now} after {then}: the weights can differ in their last bits {tail}")
    for name, code in here.plugin_code.items():
        if before.plugin_code.get(name, code) != code:
            warnings.append(f"resumed with other code of {name} than it began with: the weights are of both")
    if here.threads != before.threads:
        warnings.append(
            f"resumed with {here.threads} threads after {before.threads}: "
            f"the weights can differ in their last bits {tail}"
        )
    if here.world_size != before.world_size:
        warnings.append(
            f"resumed with {here.world_size} processes after {before.world_size}: "
            f"dropout and noise are other draws, and the weights differ {tail}"
        )
    if here.micro_batch_size != before.micro_batch_size:
        warnings.append(
            f"resumed with micro_batch_size {here.micro_batch_size or 'unset'} after "
            f"{before.micro_batch_size or 'unset'}: dropout and noise are other draws, and the weights differ {tail}"
        )
    return warnings
