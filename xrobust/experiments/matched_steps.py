"""Equal training budgets: every method of an experiment takes the optimiser steps of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.errors import UserError, did_you_mean
from xrobust.experiments.cells import Cell
from xrobust.experiments.experiment_file import MatchedBudget
from xrobust.experiments.planned_cell import plan_cell


def match_steps(cells: Sequence[Cell], budget: MatchedBudget) -> list[Cell]:
    """The cells with `training.max_steps` set to the steps that the method `budget.of` takes on the same task and
    model; its own cells stay as they are.

    Raises UserError where the experiment has no such method, where its steps cannot be counted before it trains, and
    where a cell sets steps of its own.
    """
    methods = [cell.method for cell in cells]
    if budget.of not in methods:
        raise UserError(
            f"budget: 'of' is {budget.of!r}, which is none of 'methods': {did_you_mean(budget.of, methods)}"
        )
    return [cell if cell.method == budget.of else _matched(cell, _reference(cell, cells, budget.of)) for cell in cells]


def _reference(cell: Cell, cells: Sequence[Cell], method: str) -> Cell:
    """The cell whose steps a cell takes."""
    return next(one for one in cells if one.method == method and (one.task, one.model) == (cell.task, cell.model))


def _matched(cell: Cell, reference: Cell) -> Cell:
    steps = plan_cell(reference).steps
    if steps is None:
        raise UserError(
            f"budget: the steps of {reference.method} on {cell.task} are known only once it has augmented its training "
            f"set: give it training.max_steps, or match the steps of a method that does not augment"
        )
    training = cell.values.get("training", {})
    asked = training.get("max_steps")
    if asked is not None and asked != steps:
        raise UserError(
            f"{cell.place}: training.max_steps is {asked}, and 'budget' sets it to the {steps} steps of "
            f"{reference.method}: leave one of them out"
        )
    return cell.with_training(max_steps=steps)
