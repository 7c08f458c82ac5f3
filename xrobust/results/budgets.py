"""Training budgets of groups of runs: what was spent, and in what two of them are equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from xrobust.results.schema import RunResult
from xrobust.results.sections import Budget

EqualIn = Literal["steps", "epochs"]
"""`steps`: as many optimiser steps on batches of as many examples, with as many looks at the source dev set; `epochs`:
as many passes over the source data as the method presents them, with batches and looks alike and no `max_steps`."""


class SpentBudget(Budget):
    """Training budget of runs that differ in their seed alone: steps and looks of the first, else means over runs."""

    epochs: int | None
    """Passes over the source data as the method presents them; null where `training.max_steps` ended the training."""
    batch_size: int
    """Examples per optimiser step."""
    seconds: float
    """Wall-clock seconds in optimiser steps."""


def spent_budget(results: Sequence[RunResult]) -> SpentBudget | None:
    """The budget of a group of runs; None where a document has no section on training."""
    trainings = [result.training for result in results if result.training is not None]
    if len(trainings) < len(results):
        return None
    budgets = [training.budget for training in trainings]
    settings = results[0].spec.train.training
    return SpentBudget(
        epochs=settings.epochs if settings.max_steps is None else None,
        steps=budgets[0].steps,
        batch_size=settings.batch_size,
        dev_evaluations=budgets[0].dev_evaluations,
        examples=_mean([budget.examples for budget in budgets]) or 0,
        tokens=_mean([budget.tokens for budget in budgets]),
        processed_tokens=_mean([budget.processed_tokens for budget in budgets]),
        seconds=sum(training.seconds for training in trainings) / len(trainings),
    )


def _mean(values: Sequence[int | None]) -> int | None:
    """The mean as a whole number; None where one is not known."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known)) if len(known) == len(values) else None


def equal_in(budgets: Iterable[SpentBudget | None]) -> tuple[EqualIn, ...]:
    """The ways in which all of some budgets are equal; none where one is not known."""
    known = list(budgets)
    ways: tuple[tuple[EqualIn, set[Any]], ...] = (
        ("steps", {its and (its.steps, its.batch_size, its.dev_evaluations) for its in known}),
        ("epochs", {its and its.epochs and (its.epochs, its.batch_size, its.dev_evaluations) for its in known}),
    )
    return tuple(name for name, values in ways if len(values) == 1 and None not in values)


def how_equal(kinds: Sequence[EqualIn]) -> str:
    """Words for the ways in which two budgets are equal: `equal steps`, or `BUDGETS DIFFER` for none."""
    return f"equal {' and '.join(kinds)}" if kinds else "BUDGETS DIFFER"
