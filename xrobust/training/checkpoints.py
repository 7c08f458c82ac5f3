"""Training checkpoints: weights, optimiser and a step number. Randomness is keyed, so nothing else is needed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from xrobust.errors import RunError, one_line
from xrobust.runtime.libraries import quiet
from xrobust.storage.atomic import flush, follow_umask, write_atomically, writing
from xrobust.storage.checksums import SUMS, format_sums, read_sums
from xrobust.storage.hashing import file_sha256
from xrobust.training.checkpoint_content import ExpectedContent
from xrobust.training.state import best_name

WEIGHTS = "trainable.safetensors"
OPTIMISER = "optimiser.pt"
PROGRESS = "progress.json"
KEPT = 2
Content = tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any]]
"""Weights; state of the optimiser and of the gradient scaler; fields of `TrainerState`."""


class Checkpoints:
    """Checkpoints of one run: `step-<n>/` folders, each whole or absent, and the best weights so far."""

    def __init__(self, folder: Path, *, keep_all: bool) -> None:
        self.folder = folder
        self.keep_all = keep_all
        self._best_sums: dict[str, str] = {}
        """{name of a file with best weights: its sha256 as it was written}."""
        self._read: tuple[Path | None, Content | None] = None, None
        """A checkpoint that `newest` found, and its content, until it is asked for."""

    def disk_space(self, weights: int, saves: int) -> int:
        """Bytes on disk that `saves` checkpoints take at most; `weights` is the size of what is trained.

        A checkpoint holds the weights and AdamW's two moments; a new one is written before the oldest is dropped, and
        each may refer to best weights of its own.
        """
        held = saves if self.keep_all else min(saves, KEPT + 1)
        return (3 * held + held + 1) * weights

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def save(
        self, step: int, weights: dict[str, torch.Tensor], optimiser: dict[str, Any], progress: dict[str, Any]
    ) -> Path:
        """Writes checkpoint `step-<n>/` under another name and renames it: a kill in between leaves no half checkpoint.

        `progress` holds the state of the training loop as JSON values; its `best` is a file that `save_best` wrote.
        Raises RunError when the disk does not take it: nothing of it is left, and earlier checkpoints are unchanged.
        """
        final = self.folder / f"step-{step:08d}"
        temporary = self.folder / f".step-{step:08d}.{os.getpid()}.tmp"
        best = progress.get("best")
        with writing(final):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left_by_a_kill in self.folder.glob(".step-*.tmp"):
                shutil.rmtree(left_by_a_kill, ignore_errors=True)
            try:
                temporary.mkdir()
                save_file(weights, temporary / WEIGHTS)
                with (temporary / OPTIMISER).open("wb") as file:  # an open file: its error has the system's reason
                    torch.save(optimiser, file)
                (temporary / PROGRESS).write_text(json.dumps(progress))
                follow_umask(temporary)
                sums = {}
                for name in (WEIGHTS, OPTIMISER, PROGRESS):
                    flush(temporary / name)
                    sums[name] = file_sha256(temporary / name)
                if best is not None:
                    if best not in self._best_sums:
                        self._best_sums[best] = file_sha256(self.folder / best)
                    sums[f"../{best}"] = self._best_sums[best]
                # Last: a line for each file, and for the best weights that `progress` refers to.
                write_atomically(temporary / SUMS, lambda file: file.write(format_sums(sums).encode()))
                shutil.rmtree(final, ignore_errors=True)
                temporary.rename(final)
                flush(self.folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self._drop_old(final, best)
        return final

    def _drop_old(self, newest: Path, best: str | None) -> None:
        """Deletes all but the last two checkpoints, and best weights that neither refers to.

        A checkpoint of a later step than `newest` is damaged, else training had resumed from it: it is deleted too.
        """
        if self.keep_all:
            return
        kept = [path for path in self._steps() if path <= newest][-KEPT:]
        needed = {name.removeprefix("../") for path in kept for name in _sums(path) if name.startswith("../")} | {best}
        for path in self._steps():
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("best-*.safetensors"):
            if path.name not in needed:
                path.unlink(missing_ok=True)

    def save_best(self, step: int, weights: dict[str, torch.Tensor]) -> str:
        """Writes the best weights so far; returns the file's name, which `progress` then refers to. Raises RunError."""
        path = self.folder / best_name(step)
        temporary = self.folder / f".{path.name}.tmp"
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                save_file(weights, temporary)
                follow_umask(temporary)
                flush(temporary)
                self._best_sums[path.name] = file_sha256(temporary)
                temporary.replace(path)
                flush(self.folder)
            finally:
                temporary.unlink(missing_ok=True)
        return path.name

    def load_best(self, name: str) -> dict[str, torch.Tensor]:
        """Reads the weights that `save_best` wrote. Raises RunError where the file has changed since."""
        path = self.folder / name
        if (why := _differs(path, self._best_sums.get(name))) is not None:
            raise RunError(f"{why}: the same command trains on from a checkpoint before it")
        return load_file(path)

    def newest_progress(self) -> dict[str, Any] | None:
        """The progress of the newest checkpoint that can be read, or None; it is not compared with anything."""
        for path in reversed(self._steps()):
            with suppress(OSError, ValueError):
                progress = _read_progress(path / PROGRESS)
                if isinstance(progress, dict):
                    return progress
        return None

    def newest(self, warn: Callable[[str], None], expected: ExpectedContent) -> Path | None:
        """Folder of the newest checkpoint that is whole and whose content is as `expected`, or None.

        `warn` is told, in one line, of newer ones that are damaged: truncated, changed, without their best weights, or
        with something else in them than their training wrote.
        """
        damaged: list[str] = []
        found = None
        for path in reversed(self._steps()):
            if (damage := self._damage(path) or self._misfit(path, expected)) is None:
                found = path
                break
            damaged.append(damage)
        if damaged:
            instead = "begins anew" if found is None else f"goes on from the older checkpoint {found.name}"
            warn(f"{'; '.join(damaged)}: training {instead}")
        return found

    def _damage(self, path: Path) -> str | None:
        """Damage to a checkpoint in a few words: its first file that is not as it was written; None for none."""
        sums = _sums(path)
        for name in (WEIGHTS, OPTIMISER, PROGRESS, *(name for name in sums if name.startswith("../"))):
            if name not in sums:
                return f"{path / SUMS} is damaged (it does not have {name})"
            file = self.folder / name.removeprefix("../") if name.startswith("../") else path / name
            if (why := _differs(file, sums[name])) is not None:
                return why
        return None

    def _misfit(self, path: Path, expected: ExpectedContent) -> str | None:
        """The first file of a checkpoint that holds something else than its training wrote, in a few words, or None.

        Its content is kept for `load`.
        """
        file = path / PROGRESS
        try:
            progress = _read_progress(file)
            expected.require_progress(progress, step=int(path.name.removeprefix("step-")))
            if (best := progress.get("best")) is not None:
                if f"../{best}" not in _sums(path):
                    return f"{path / SUMS} is damaged (it does not have ../{best})"
                file = self.folder / best
                expected.require_best(file)
            file = path / WEIGHTS
            weights = load_file(file)
            expected.require_weights(weights)
            file = path / OPTIMISER
            optimiser = _read_optimiser(file)
            expected.require_optimiser(optimiser)
        except MemoryError:
            raise
        except Exception as error:  # each file format has errors of its own
            return f"{file} is damaged ({_reason(error)})"
        self._read = path, (weights, optimiser, progress)
        return None

    def load(self, path: Path) -> Content:
        """Weights, optimiser state and progress of a checkpoint that `newest` found, on this process or another."""
        self._best_sums |= {
            name.removeprefix("../"): digest for name, digest in _sums(path).items() if name.startswith("../")
        }
        (read, content), self._read = self._read, (None, None)
        if content is not None and read == path:
            return content
        return load_file(path / WEIGHTS), _read_optimiser(path / OPTIMISER), _read_progress(path / PROGRESS)


def _read_optimiser(file: Path) -> dict[str, Any]:
    with quiet():
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def _read_progress(file: Path) -> dict[str, Any]:
    progress: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return progress


def _reason(error: Exception) -> str:
    """Reason that a file of a checkpoint is not what it should be; torch's own is advice to load it unsafely."""
    return "it is no file of tensors" if isinstance(error, UnpicklingError) else one_line(error)


def _sums(path: Path) -> Mapping[str, str]:
    """Sums of a checkpoint's files, {name: sha256}; empty where they cannot be read."""
    try:
        return read_sums(path / SUMS)
    except (OSError, UnicodeDecodeError):
        return {}


def _differs(path: Path, expected: str | None) -> str | None:
    """Damage to a file in a few words with its path; None where its sha256 is `expected`, or `expected` is None."""
    try:
        if expected in (None, file_sha256(path)):
            return None
    except FileNotFoundError:
        return f"{path} is not there"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error})"
    return f"{path} is damaged (its sha256 is not that in {SUMS})"
