"""Training checkpoints: weights, optimiser and a step number. Randomness is keyed, so nothing else is needed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from xrobust.results.store import write_atomically, writing

WEIGHTS = "trainable.safetensors"
OPTIMISER = "optimiser.pt"
PROGRESS = "progress.json"
KEPT = 2


class Checkpoints:
    """The checkpoints of one run: `step-<n>/` folders, each whole or absent, and the best weights so far."""

    def __init__(self, folder: Path, *, keep_all: bool) -> None:
        self.folder = folder
        self.keep_all = keep_all

    def room(self, weights: int, saves: int) -> int:
        """Bytes on disk that `saves` checkpoints take at most; `weights` is the size of what is trained.

        A checkpoint holds the weights and AdamW's two moments; a new one is written before the oldest is dropped, and
        each may refer to best weights of its own.
        """
        held = saves if self.keep_all else min(saves, KEPT + 1)
        return (3 * held + held + 1) * weights

    def _steps(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("step-*") if (p / PROGRESS).exists())

    def save(
        self, step: int, weights: dict[str, torch.Tensor], optimiser: dict[str, Any], progress: dict[str, Any]
    ) -> Path:
        """Writes `step-<n>/` under another name and renames it: a kill in between leaves no half checkpoint.

        `progress` is what the training loop knows: JSON values. Raises RunError when the disk does not take it.
        """
        final = self.folder / f"step-{step:08d}"
        temporary = self.folder / f".step-{step:08d}.{os.getpid()}.tmp"
        with writing(final):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left_by_a_kill in self.folder.glob(".step-*.tmp"):
                shutil.rmtree(left_by_a_kill, ignore_errors=True)
            try:
                temporary.mkdir()
                save_file(weights, temporary / WEIGHTS)
                with (temporary / OPTIMISER).open("wb") as file:  # an open file: its error has the system's reason
                    torch.save(optimiser, file)
                write_atomically(temporary / PROGRESS, lambda file: file.write(json.dumps(progress).encode()))
                shutil.rmtree(final, ignore_errors=True)
                temporary.rename(final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self._drop_old(progress.get("best"))
        return final

    def _drop_old(self, best: str | None) -> None:
        if self.keep_all:
            return
        kept = self._steps()[-KEPT:]
        needed = {json.loads((p / PROGRESS).read_text()).get("best") for p in kept} | {best}
        for path in self._steps():
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("best-*.safetensors"):
            if path.name not in needed:
                path.unlink(missing_ok=True)

    def save_best(self, step: int, weights: dict[str, torch.Tensor]) -> str:
        """Writes the best weights so far; returns the file's name, which `progress` then refers to."""
        path = self.folder / f"best-{step:08d}.safetensors"
        temporary = path.with_suffix(".tmp")
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                save_file(weights, temporary)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        return path.name

    def load_best(self, name: str) -> dict[str, torch.Tensor]:
        """The weights that `save_best` wrote."""
        return load_file(self.folder / name)

    def latest(self) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any]] | None:
        """Weights, optimiser state and progress of the newest checkpoint, or None."""
        steps = self._steps()
        if not steps:
            return None
        path = steps[-1]
        return (
            load_file(path / WEIGHTS),
            torch.load(path / OPTIMISER, map_location="cpu", weights_only=True),
            json.loads((path / PROGRESS).read_text()),
        )
