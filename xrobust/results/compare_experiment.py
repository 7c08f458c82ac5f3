"""Compares the methods of an experiment with its baseline, on each task with each model by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.results.compare import Sides, compare_sides, sides_of
from xrobust.results.comparing.document import Excluded, ExperimentComparison, PartNotCompared
from xrobust.results.comparing.estimates import CompareOptions
from xrobust.results.comparing.experiment_parts import ExperimentPart, experiment_parts
from xrobust.results.select import LeftOut, Selection, path_text, select_all


@dataclass(frozen=True)
class ExperimentSides:
    """The sides of each part of an experiment, in its order."""

    name: str
    baseline: str
    parts: tuple[tuple[ExperimentPart, Sides | UserError], ...]
    """Each part with its sides, or the reason why it has none."""
    selected: tuple[LeftOut, ...]
    """Runs that were left out before they were parted."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """All runs that were left out."""
        of_parts = (item for _, sides in self.parts if isinstance(sides, Sides) for item in sides.left_out)
        return (*self.selected, *of_parts)


def compare_experiment(
    experiment: str | Path,
    *,
    runs: str | Path = "runs",
    where: str | None = None,
    plugins: Sequence[Path] = (),
    **options: Any,
) -> ExperimentComparison:
    """Compares all methods of an experiment with its baseline: a comparison for each task and model.

    Args:
        experiment: its name, file or folder.
        runs: folder that the name is looked up in.
        where: filter over its runs, such as `task=wikiann`.
        plugins, options: as for `compare`.

    Returns the document on all of them. Parts that cannot be compared are in its `not_compared`, with the reason.
    Raises UserError where there is no such experiment, or no part of it can be compared.
    """
    given = CompareOptions(**options)
    selections = select_all([path_text(experiment)], Path(runs), where=where)
    parts = experiment_parts(selections, where)
    if not parts:
        raise UserError(f"{experiment} is no experiment: give the name, file or folder of one")
    return compare_parts(open_parts(selections[0], parts, given.metric, plugins), given)


def open_parts(
    selection: Selection, parts: Sequence[ExperimentPart], metric: str | None, plugins: Sequence[Path]
) -> ExperimentSides:
    """Opens the runs of each part of the selected experiment."""
    assert selection.experiment is not None
    opened: list[tuple[ExperimentPart, Sides | UserError]] = []
    for part in parts:
        try:
            opened.append((part, sides_of([], part, metric, plugins)))
        except UserError as error:
            opened.append((part, error))
    index = selection.experiment.index
    return ExperimentSides(index.name, index.baseline, tuple(opened), selection.left_out)


def compare_parts(opened: ExperimentSides, given: CompareOptions) -> ExperimentComparison:
    """Compares the sides of each part. Raises UserError, the first reason, where none can be compared."""
    comparisons, refused = [], []
    for part, sides in opened.parts:
        try:
            if isinstance(sides, UserError):
                raise sides
            comparisons.append(compare_sides(sides, given))
        except UserError as error:
            refused.append((part, error))
    if not comparisons:
        part, reason = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise UserError(f"{opened.name}: nothing can be compared: {part.name}: {reason}{more}")
    reasons = [PartNotCompared(task=part.task, model=part.model, reason=str(reason)) for part, reason in refused]
    return ExperimentComparison(
        name=opened.name,
        baseline=opened.baseline,
        comparisons=comparisons,
        not_compared=reasons,
        excluded=[Excluded(path=item.path, reason=item.reason) for item in opened.selected],
    )
