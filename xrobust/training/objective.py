"""The objective of a training: cross entropy with the methods around it, each of which is called in a guard."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from xrobust.contracts import Batch, Forward, Method, ModelContext, Objective
from xrobust.contracts.calling import blamed, calling, is_built_in, plugin_name
from xrobust.engine.memory import is_out_of_memory
from xrobust.runtime.processes import is_lost_process


class Place:
    """The optimiser step that training is at, as a message says it, and the method that is outermost there."""

    def __init__(self, methods: Sequence[Method] = ()) -> None:
        self.step = 0
        """From 0."""
        self._changing = [method for method in methods if {"objective", "adapt"} & set(method.stages())]

    def __str__(self) -> str:
        return f"step {self.step + 1}"

    def backward(self) -> AbstractContextManager[None]:
        """A context for the backward pass: PluginError, with the outermost method's name, where it fails."""
        if not self._changing:
            return nullcontext()
        return calling(self._changing[-1], "backward pass", self, unless=_is_no_fault)

    def require_gradient(self, model: torch.nn.Module) -> None:
        """Raises PluginError, with the outermost method's name, where no trained parameter of a model has a gradient.

        Called after each backward pass: the first trained parameter nearly always settles it.
        """
        if self._changing and not any(p.requires_grad and p.grad is not None for p in model.parameters()):
            problem = "the loss depends on no parameter that is trained: nothing would be learnt"
            raise blamed(self._changing[-1], "backward pass", self, problem)

    def suspects(self) -> str:
        """End of a sentence on a loss that is not finite: the methods that did not come with xrobust; or empty."""
        guests = [plugin_name(method) for method in self._changing if not is_built_in(method)]
        return f", or it comes from {' or '.join(guests)}" if guests else ""


def plain_objective(forward: Forward, batch: Batch) -> Any:
    """The objective that methods are wrapped around: cross entropy, summed over labelled items."""
    return forward(batch).loss


def build_objective(methods: Sequence[Method], context: ModelContext, place: Place) -> Objective:
    """The objective of composed methods, the rightmost outermost. Raises PluginError where one of them gives none.

    So does the objective itself, with the method's name and the step that `place` is at when it is called.
    """
    objective: Objective = plain_objective
    for method in methods:
        if "objective" not in method.stages():
            continue
        with calling(method, "objective"):
            made = method.objective(objective, context)
        if not callable(made):
            raise blamed(method, "objective", "", f"it returned {_named(made)}, not a function of (forward, batch)")
        objective = _guarded(method, made, place)
    return objective


def _guarded(method: Method, objective: Objective, place: Place) -> Objective:
    def guarded(forward: Forward, batch: Batch) -> torch.Tensor:
        with calling(method, "objective", place, unless=_is_no_fault):
            loss = objective(forward, batch)
            if (problem := _loss_problem(loss)) is not None:
                raise blamed(method, "objective", place, problem)
        return loss

    return guarded


def _is_no_fault(error: Exception) -> bool:
    """True for what is not a method's doing: memory that does not suffice, another process that has ended."""
    return is_out_of_memory(error) or is_lost_process(error)


def _loss_problem(loss: Any) -> str | None:
    """Reason that what an objective returned is no loss, in a few words, or None."""
    if not isinstance(loss, torch.Tensor):
        return f"it returned {_named(loss)}, not a tensor"
    if loss.ndim:
        return f"it returned a tensor of shape {tuple(loss.shape)}, not a scalar: sum over the items"
    if torch.is_grad_enabled() and not loss.requires_grad:
        return "it returned a loss without a gradient: was it detached, or computed under no_grad?"
    return None


def _named(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
