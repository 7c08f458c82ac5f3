"""Content of a checkpoint compared with the training that is to go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors import safe_open
from torch import nn

from xrobust.training.state import TrainerState, best_name

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each trained parameter, by name."""


class ExpectedContent:
    """Properties that the content of a checkpoint must have for a training to go on from it."""

    def __init__(
        self, model: nn.Module, optimiser: Any, scaler: Any, total_steps: int, embedding_rows: str | None = None
    ) -> None:
        """
        Args:
            model: the model that is trained.
            optimiser: its AdamW.
            scaler: the gradient scaler of fp16, or None.
            total_steps: optimiser steps of the whole training.
            embedding_rows: sha256 of the numbers of the word embeddings that are trained, None for all.
        """
        self._shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
        self._groups = optimiser.state_dict()["param_groups"]
        of_groups = (p for group in optimiser.param_groups for p in group["params"])
        self._moments = dict(enumerate(tuple(p.shape) for p in of_groups))
        """Shape of the parameter that each number in the optimiser's state stands for."""
        self._scaled = scaler is not None
        self._total_steps = total_steps
        self._embedding_rows = embedding_rows

    def require_weights(self, weights: Mapping[str, Any]) -> None:
        """Raises ValueError unless the tensors are the trained parameters."""
        _require_shapes(self._shapes, {name: tuple(tensor.shape) for name, tensor in weights.items()})

    def require_best(self, file: Path) -> None:
        """Raises ValueError unless a safetensors file holds the trained parameters. The tensors are not read."""
        with safe_open(file, framework="pt") as stored:
            found = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
        _require_shapes(self._shapes, found)

    def require_optimiser(self, saved: Mapping[str, Any]) -> None:
        """Raises ValueError, TypeError or LookupError unless the state fits the optimiser and the gradient scaler."""
        if not isinstance(saved, Mapping):
            raise TypeError(f"it is a {type(saved).__name__}")
        state, groups = saved["optimiser"]["state"], saved["optimiser"]["param_groups"]
        if len(groups) != len(self._groups):
            raise ValueError(f"{len(groups)} groups of parameters where there are {len(self._groups)}")
        for group, own in zip(groups, self._groups, strict=True):
            # The rate is set before each step; another version of torch may have more keys.
            if different := [key for key in group.keys() & own.keys() - {"lr"} if group[key] != own[key]]:
                raise ValueError(f"{min(different)} of a group of parameters is another")
        if not state or not self._moments.keys() >= state.keys():
            raise ValueError("its moments are not those of the trained parameters")
        for number, moments in state.items():
            shapes = {name: tuple(moments[name].shape) for name in ("step", "exp_avg", "exp_avg_sq")}
            of_parameter = self._moments[number]
            if shapes != {"step": (), "exp_avg": of_parameter, "exp_avg_sq": of_parameter}:
                raise ValueError(f"the moments of parameter {number} have another shape")
        if isinstance(saved["scaler"], Mapping) != self._scaled:
            raise ValueError("the state of the gradient scaler is missing, or one too many")

    def require_progress(self, progress: Mapping[str, Any], step: int) -> None:
        """Raises ValueError or TypeError unless the progress is that after `step` steps of a training."""
        state = TrainerState.from_checkpoint(progress)
        # Only a check: pydantic would make 3.0 of a step in the curve, which is among numbers of any kind there.
        TypeAdapter(TrainerState).validate_json(json.dumps(vars(state)), strict=True)
        if state.step != step or not 0 < step < self._total_steps:
            raise ValueError(f"it is of step {state.step} of {self._total_steps}")
        if state.embedding_rows != self._embedding_rows:
            raise ValueError("it is of a training of other word embeddings: see training.embedding_rows")
        if state.best is not None and state.best != best_name(state.best_step):
            raise ValueError(f"{state.best!r} is no name of best weights")


def _require_shapes(own: Shapes, found: Shapes) -> None:
    if differing := sorted(own.keys() ^ found.keys()):
        raise ValueError(f"{len(differing)} tensors differ in name, the first is {differing[0]}")
    for name, shape in own.items():
        if found[name] != shape:
            raise ValueError(f"{name} has shape {list(found[name])} where {list(shape)} is trained")
