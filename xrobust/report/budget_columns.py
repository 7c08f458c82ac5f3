"""Columns of tables for training budgets."""

from __future__ import annotations

from xrobust.results.budgets import SpentBudget

BUDGET_COLUMNS = ("epochs", "steps", "batch", "examples", "word pieces", "processed", "looks", "seconds")
"""Passes over the source data, optimiser steps, examples a step, examples and word pieces trained on, word pieces put
through the encoder, looks at the source dev set, seconds in optimiser steps."""


def budget_cells(budget: SpentBudget | None) -> list[str]:
    """The cells of BUDGET_COLUMNS; `-` for what a document does not say."""
    if budget is None:
        return ["-"] * len(BUDGET_COLUMNS)
    counts = (budget.epochs, budget.steps, budget.batch_size, budget.examples, budget.tokens, budget.processed_tokens)
    shown = ["-" if count is None else str(count) for count in (*counts, budget.dev_evaluations)]
    return [*shown, f"{budget.seconds:.0f}"]
